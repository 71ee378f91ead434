"""Random streams: the generator itself, identities, lanes, caching, and that nothing is shared by mistake."""

import numpy as np
import pytest
from scipy import stats

from sim.distributions import Constant, Exponential, Lognormal
from sim.errors import SimulationError
from sim.streams import Streams, closed_identity, source, stream_key
from sim.streams.streams import _choosing

SERVICE = Exponential(0.004)

PINNED_DRAWS = [0.008357908576726913, 0.003592601977288723, 0.013396193273365498, 0.005859578028321266]
PINNED_LANES = [0.005927112884819508, 6.90435990691185e-05]
PINNED_CHOICES = [3, 2, 2, 3, 0, 3, 3, 3, 3, 3, 3, 2]
PINNED_SEQUENCE = [0.39426640904236643, 0.9000137250028344]


@pytest.mark.parametrize(
    ("key", "counter", "words"),
    [
        (
            [0, 0],
            0,
            ["16554d9eca36314c", "db20fe9d672d0fdc", "d7e772cee186176b", "7e68b68aec7ba23b"],
        ),
        (
            [2**64 - 1, 2**64 - 1],
            2**256 - 1,
            ["87b092c3013fe90b", "438c3c67be8d0224", "9cc7d7c69cd777b6", "a09caebf594f0ba0"],
        ),
    ],
)
def test_the_published_vectors_of_philox(key, counter, words):
    """Random123, kat_vectors, philox4x64 with 10 rounds."""
    made = source.Generator().words(np.array(key, np.uint64), counter, 4)
    assert [f"{word:016x}" for word in made.tolist()] == words


def test_a_value_is_where_the_counter_says():
    """Identity 4n + i in lane k is word i at counter (n, k, 0, 0), shifted to 53 bits."""
    low, high = stream_key(5, 2, "a.b")
    for identity, lane in ((0, 0), (7, 0), (4099, 0), (3, 1), (2**40 + 6, 12)):
        philox = np.random.Philox(key=low + (high << 64), counter=[identity // 4, lane, 0, 0])
        # numpy steps the counter first, so ask for the block before this one and skip it, from lane to lane too.
        philox.advance(2**256 - 1)
        word = philox.random_raw(4)[identity % 4]
        assert Streams(5, 2).uniforms("a.b").at(identity, lane) == (int(word) >> 11) * 2.0**-53


def test_values_stay_what_they_are_from_release_to_release():
    draws = Streams(1, 0).draws("services.place.query.demand", SERVICE)
    assert [draws.at(identity) for identity in (0, 1, 1024, closed_identity(17, 99))] == PINNED_DRAWS
    assert [draws.at(0, lane) for lane in (1, 2)] == PINNED_LANES
    choices = Streams(1, 0).choices("mix", [1, 0, 2, 5])
    assert [choices.at(identity) for identity in range(12)] == PINNED_CHOICES
    sequence = Streams(1, 0).sequence("phase")
    assert [sequence.next() for _ in range(2)] == PINNED_SEQUENCE


def test_dropped_blocks_come_back_the_same():
    roomy = Streams(3, 0).draws("x", SERVICE)
    tight = Streams(3, 0, block=4, kept=8).draws("x", SERVICE)
    walk = [0, 1, 5, 9, 13, 0, 100, 5, 101, 1, 0] * 3
    for lane in (0, 2):
        assert [tight.at(identity, lane) for identity in walk] == [roomy.at(identity, lane) for identity in walk]


def test_the_cache_is_bounded():
    draws = Streams(3, 0, block=4, kept=32).draws("x", SERVICE)
    for identity in range(0, 4000, 4):
        draws.at(identity)
        draws.at(identity, 1)
    assert len(draws._blocks) == len(draws._oldest) == 8
    assert len(draws._lanes) <= 8


def test_nothing_is_computed_before_it_is_asked_for(monkeypatch):
    made = []
    monkeypatch.setattr(
        source.Generator,
        "words",
        lambda self, key, counter, count: made.append(count) or np.zeros(count, np.uint64),
    )
    streams = Streams(1, 0)
    draws, sequence = streams.draws("x", SERVICE), streams.sequence("y")
    assert made == []
    draws.at(5)
    draws.at(6)
    sequence.next()
    assert made == [1024, 1024]


def test_arrivals_that_go_on_have_more_computed_at_once_and_the_same_values(monkeypatch):
    words, made = source.Generator.words, []

    def counted(self, key, counter, count):
        made.append(count)
        return words(self, key, counter, count)

    monkeypatch.setattr(source.Generator, "words", counted)
    ahead, apart = (of.draws("x", SERVICE) for of in (Streams.for_arrivals(3, 0, 4), Streams(3, 0, 4)))
    values = [ahead.at(identity) for identity in range(256)]
    assert made == [4, 8, 16, *[32] * 8]  # the first 28 identities, then 32 at a time
    assert values == [apart.at(identity) for identity in range(256)]
    made.clear()
    assert ahead.at(4000) == apart.at(4000)  # nobody has come near: no more than its block
    assert made == [4, 4]


def test_a_block_that_was_asked_for_before_its_turn_is_kept_once():
    ahead = Streams(3, 0, block=4, kept=16, ahead=4).draws("x", SERVICE)
    roomy = Streams(3, 0).draws("x", SERVICE)
    walk = [44, 36, 40, *range(48, 80), 8, 0, 4, 12, 44, *range(80, 160, 4)]  # 40 comes after 36; 44 is there already
    assert [ahead.at(identity) for identity in walk] == [roomy.at(identity) for identity in walk]
    assert len(ahead._blocks) == len(ahead._oldest) == 4


def test_where_one_can_be_chosen_nothing_is_drawn(monkeypatch):
    monkeypatch.setattr(source.Generator, "words", lambda *_: pytest.fail("it draws"))
    for weights, only in (([3.0], 0), ([0.0, 2.0, 0.0], 1)):
        choices = Streams(1, 0).choices("only", weights)
        assert [choices.at(identity, lane) for identity in (0, 5000) for lane in (0, 1)] == [only] * 4


def test_many_users_get_blocks_of_one_request_each_and_the_same_values(monkeypatch):
    few, many = Streams.for_users(1, 0, 100, 1.0), Streams.for_users(1, 0, 100_000, 1.0)
    identities = (0, 3, 15, 16, 255, 256, closed_identity(1023, 7), closed_identity(1024, 7), closed_identity(99, 1234))
    for purpose, of in (("d", lambda s: s.draws("d", SERVICE)), ("c", lambda s: s.choices("c", [1, 2]))):
        one, other = of(few), of(many)
        for identity in identities:
            assert one.at(identity) == other.at(identity), purpose
            assert one.at(identity, 3) == other.at(identity, 3), purpose
            assert type(one.at(identity)) is type(other.at(identity)) is (float if purpose == "d" else int)
    monkeypatch.setattr(source.Generator, "words", lambda *_: pytest.fail("it draws again"))
    draws = many.draws("d", SERVICE)
    assert len({draws.at(closed_identity(user, 0)) for user in range(1024)}) == 1024


def test_users_who_ask_often_share_blocks_of_their_requests(monkeypatch):
    rarely, often = Streams.for_users(1, 0, 300, 2.0), Streams.for_users(1, 0, 300, 100.0)
    made = []
    words = source.Generator.words
    monkeypatch.setattr(
        source.Generator, "words", lambda self, key, at, count: made.append(count) or words(self, key, at, count)
    )
    drawn = []
    for streams in (rarely, often):
        draws = streams.draws("d", SERVICE)
        drawn.append([draws.at(closed_identity(user, ordinal)) for ordinal in range(16) for user in range(300)])
        made.append(0)
    assert drawn[0] == drawn[1]
    end = made.index(0)
    assert sum(made[:end]) == 16 * 16 * 1024, "a block of one request of each of 1,024 users, sixteen times"
    assert sum(made[end:]) == 5 * 1024, "of 64 users each, all that they ask"


def test_sixteen_ordinals_of_neighbouring_users_stand_together():
    users = [[closed_identity(user, ordinal) for ordinal in range(16)] for user in range(4)]
    assert [identity for user in users for identity in user] == list(range(64))
    assert closed_identity(0, 16) == 1 << 24
    assert closed_identity(2**20 - 1, 15) == (1 << 24) - 1


def test_drawn_durations_are_whole_steps():
    draws = Streams(1, 0).draws("x", Lognormal(0.010, 1.0))
    for identity in range(2000):
        steps = draws.at(identity) * 2**30
        assert steps == int(steps)
    uniforms = Streams(1, 0).uniforms("x")
    assert any(uniforms.at(identity) * 2**30 % 1 for identity in range(10))
    assert all(0 <= uniforms.at(identity) < 1 for identity in range(2000))


def test_a_longer_mean_keeps_the_draw():
    """One uniform makes one value, so twice the mean is twice the value."""
    short, long = Streams(1, 0).draws("x", Exponential(1.0)), Streams(1, 0).draws("x", Exponential(2.0))
    for identity in range(100):
        assert long.at(identity) == pytest.approx(2 * short.at(identity), abs=2**-29)


def test_asking_again_for_the_same_gives_the_same_object():
    streams = Streams(1, 0)
    assert streams.draws("x", Exponential(0.004)) is streams.draws("x", Exponential(0.004))
    assert streams.sequence("s") is streams.sequence("s")
    assert streams.choices("c", [1, 2]) is streams.choices("c", (1.0, 2.0))


def test_one_purpose_serves_one_thing():
    streams = Streams(1, 0)
    streams.draws("x", Exponential(0.004))
    for ask in (
        lambda: streams.draws("x", Exponential(0.005)),
        lambda: streams.uniforms("x"),
        lambda: streams.choices("x", [1]),
        lambda: streams.sequence("x"),
        lambda: streams.sequence("x", Exponential(0.004)),
    ):
        with pytest.raises(SimulationError, match="stream 'x' is already in use for something else"):
            ask()


def test_sequences_go_on():
    sequence = Streams(1, 0).sequence("x", Constant(0.5))
    assert [sequence.next() for _ in range(3)] == [0.5] * 3
    uniform = Streams(1, 0).sequence("y")
    values = [uniform.next() for _ in range(3000)]
    assert len(set(values)) == 3000
    keyed = Streams(1, 0).uniforms("y")
    assert values == [keyed.at(identity) for identity in range(3000)]


def test_choices_follow_their_weights():
    choices = Streams(1, 0).choices("x", [0, 1, 0, 3, 0])
    counts = np.bincount([choices.at(identity) for identity in range(40_000)], minlength=5)
    assert counts[[0, 2, 4]].tolist() == [0, 0, 0]
    assert stats.chisquare(counts[[1, 3]], [10_000, 30_000]).pvalue > 1e-3


def test_the_largest_uniform_chooses_the_last_with_weight():
    choose = _choosing((0.1,) * 10 + (0.0,))
    assert choose(np.array([0.0, 1 - 2.0**-53])).tolist() == [0, 9]


@pytest.mark.parametrize("weights", [[], [0, 0], [1, -1], [float("nan")], [float("inf")]])
def test_weights_that_cannot_be_are_refused(weights):
    with pytest.raises(ValueError, match="weights must be finite, 0 or more, and not all 0"):
        Streams(1, 0).choices("x", weights)


@pytest.mark.parametrize("block", [0, 2, 3, 1000])
def test_blocks_are_powers_of_two(block):
    with pytest.raises(ValueError, match=f"block must be a power of two, 4 or more, got {block}"):
        Streams(1, 0, block)


def test_identities_and_lanes_are_not_negative():
    draws = Streams(1, 0).draws("x", SERVICE)
    for identity, lane in ((-1, 0), (-1, 1), (0, -1)):
        with pytest.raises(SimulationError, match="must be 0 or more"):
            draws.at(identity, lane)


def values(seed, replication, purpose, lane=0):
    uniforms = Streams(seed, replication).uniforms(purpose)
    return np.array([uniforms.at(identity, lane) for identity in range(8192)])


STREAMS = {
    "base": (1, 0, "a"),
    "seed": (2, 0, "a"),
    "replication": (1, 1, "a"),
    "swapped": (0, 1, "a"),
    "purpose": (1, 0, "b"),
    "longer": (1, 0, "a.b"),
    "lane": (1, 0, "a", 1),
    "lane two": (1, 0, "a", 2),
}


@pytest.mark.parametrize("name", STREAMS)
def test_each_stream_is_uniform(name):
    drawn = values(*STREAMS[name])
    assert stats.kstest(drawn, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 4 / 8192**0.5


def test_different_streams_are_unrelated():
    drawn = np.array([values(*which) for which in STREAMS.values()])
    correlations = np.corrcoef(drawn) - np.eye(len(STREAMS))
    assert np.abs(correlations).max() < 4 / 8192**0.5
    for shift in (1, 4, 1024):
        shifted = np.corrcoef(drawn, np.roll(drawn, shift, axis=1))[: len(drawn), len(drawn) :]
        assert np.abs(shifted).max() < 4.5 / 8192**0.5


def test_no_two_keys_collide_by_punctuation():
    assert stream_key(1, 23, "a") != stream_key(12, 3, "a")
    assert stream_key(1, 2, "a") != stream_key(1, 2, "a ")
