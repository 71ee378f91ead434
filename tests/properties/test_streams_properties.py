"""A value belongs to its identity: neither the block size nor the order of asking changes it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from sim.distributions import Exponential, Gamma, Hyperexponential, Lognormal
from sim.streams import Streams, closed_identity

DISTRIBUTIONS = [Exponential(0.004), Lognormal(0.01, 1.0), Gamma(0.01, 2.5), Hyperexponential(0.01, 4.0)]
IDENTITIES = st.one_of(
    st.integers(0, 5_000),
    st.integers(0, 2**48),
    st.builds(closed_identity, st.integers(0, 2**20 - 1), st.integers(0, 10**6)),
)
ASKED = st.lists(st.tuples(IDENTITIES, st.integers(0, 3)), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(ASKED, st.randoms(use_true_random=False), st.integers(2, 12), st.sampled_from(DISTRIBUTIONS), st.integers(0, 99))
def test_values_depend_on_identity_and_lane_alone(asked, chance, exponent, distribution, seed):
    first = Streams(seed, 0).draws("x", distribution)
    expected = {place: first.at(*place) for place in asked}
    shuffled = asked * 2
    chance.shuffle(shuffled)
    for stride in (1, 16):
        second = Streams(seed, 0, 2**exponent, kept=2**exponent * 2, ahead=2, stride=stride).draws("x", distribution)
        for place in shuffled:
            assert second.at(*place) == expected[place]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(ASKED, st.lists(st.floats(0, 10), min_size=1, max_size=9).filter(any), st.integers(2, 12))
def test_choices_depend_on_identity_and_lane_alone(asked, weights, exponent):
    first, second = Streams(1, 0).choices("x", weights), Streams(1, 0, 2**exponent).choices("x", weights)
    for place in asked:
        chosen = first.at(*place)
        assert chosen == second.at(*place)
        assert weights[chosen] > 0


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.tuples(st.integers(0, 2**20 - 1), st.integers(0, 2**30)),
    st.tuples(st.integers(0, 2**20 - 1), st.integers(0, 2**30)),
)
def test_identities_of_closed_users_are_their_own(one, other):
    assert (closed_identity(*one) == closed_identity(*other)) == (one == other)
