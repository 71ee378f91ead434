"""The dashboard as a person uses it, without a browser: sliders, languages, errors, what is shown of a scenario."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from experiments import load_scenario, run
from experiments.dashboard.knobs import UNSET, Knob, knobs_of
from experiments.dashboard.running import Here, Runs, Size, first_duration_s, requests_per_s
from experiments.dashboard.texts import FIELDS_IN_KOREAN, LANGUAGES, TEXTS, Words
from experiments.dashboard.wording import milliseconds, percent
from experiments.errors import InputError
from experiments.scenario.shipped import shipped_names

SMALL = """
description: A small shop <on one machine>.
duration: 30s
warm_up: 5s
replications: 3
machines:
  vm: {cores: 1, memory: 2G}
gateway:
  machine: vm
  cpu: 1ms
  rate_limits:
    per_user: {kind: spring_redis, key: user, replenish_rate: 50, burst_capacity: 100, cache: redis}
  concurrency:
    shop: {permits: 20}
services:
  shop:
    machine: vm
    limits: {cpus: 0.5}
    endpoints:
      buy:
        steps:
          - {kind: cpu, demand: {kind: exponential, mean: 10ms}}
          - {kind: cache, cache: redis, data_class: goods, on_miss: [{kind: delay, duration: 20ms}]}
          - {kind: call, name: stock, service: stock, endpoint: count}
  stock:
    machine: vm
    endpoints:
      count:
        steps: [{kind: cpu, demand: 2ms}]
caches:
  redis:
    machine: vm
    command_cpu: 0.05ms
    round_trip: 0.3ms
    classes:
      goods: {ttl: 10s, keys: 50, popularity: 1.0, value: 1K}
routes:
  buy: {service: shop, endpoint: buy, through: [gateway]}
traffic:
  users:
    population: 20
    think_time: {kind: lognormal, mean: 1s, p95: 2s}
  mix: {buy: 1}
  client: {patience: 10s}
objectives:
  fast: {path: /latency_ms/all/p95, at_most: 200}
variants:
  guarded:
    description: With a breaker around the stock.
    set:
      services.shop.endpoints.buy.steps.stock.breaker: {sliding_window_size: 10, minimum_number_of_calls: 5}
      services.shop.endpoints.buy.steps.stock.time_limiter: {limit: 1s}
provenance:
  machines: {source: guide, ref: section 1}
  traffic: {source: assumed, note: nobody knows yet}
"""
LIMITER = "gateway.rate_limits.per_user"
REFUSED_TOGETHER = {
    f"{LIMITER}.replenish_rate": (-1, "must be at least replenish_rate"),
    f"{LIMITER}.burst_capacity": (0, "must be at least replenish_rate"),
    "machines.vm.cores": (0, "must be at most the 0.25 cores of vm"),
}
"""Ends of sliders that the real setter, or Docker, refuses together with what else the scenario says."""
WINDOW = "services.shop.endpoints.buy.steps.stock.breaker.sliding_window_size"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    file = tmp_path / "small.yaml"
    file.write_text(SMALL)
    return file


@pytest.fixture
def app(project: Path, small: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The page on the small scenario, already drawn once."""
    monkeypatch.setattr(sys, "argv", ["app.py", str(small)])
    page = AppTest.from_file(str(project / "app.py"), default_timeout=60).run()
    assert not page.exception
    return page


def html_of(page: AppTest) -> str:
    return "\n".join(element.proto.body for element in page.get("html"))


def figure(page: AppTest, name: str, side: str) -> str:
    """A headline figure as it is written on its card."""
    card = re.search(rf'data-kpi="{name}".*?</article>', html_of(page), re.S)
    assert card, f"no card {name}"
    found = re.search(rf'data-side="{side}">([^<]*)<', card[0])
    assert found, f"no {side} on the card {name}"
    return found[1]


def slider(page: AppTest, path: str):
    return page.select_slider(key=path)


def test_the_baseline_is_what_a_run_finds(app: AppTest, small: Path) -> None:
    scenario = load_scenario(small)
    result = run(scenario, replications=3, duration_s=30.0, executor=Here(lambda: None))
    assert figure(app, "p95", "baseline") == milliseconds(result.document["latency_ms"]["all"]["p95"])
    assert figure(app, "cpu", "baseline") == percent(result.document["machines"]["machines.vm"]["cpu_utilisation"])
    assert result.digest in html_of(app)
    assert 'data-side="what-if"' not in html_of(app)


def test_a_slider_moves_the_what_if_and_leaves_the_baseline(app: AppTest) -> None:
    before = {name: figure(app, name, "baseline") for name in ("p50", "p95", "goodput", "cpu", "cache")}
    slider(app, "traffic.users.population").set_value("30")
    app.run()
    assert not app.exception
    assert {name: figure(app, name, "baseline") for name in before} == before
    assert figure(app, "goodput", "what-if") != before["goodput"]
    goodput = float(figure(app, "goodput", "what-if").removesuffix("/s"))
    assert goodput == pytest.approx(1.5 * float(before["goodput"].removesuffix("/s")), rel=0.1)
    assert "better by" in html_of(app) and "worse by" in html_of(app)
    assert "--set traffic.users.population=30" in app.code[0].value


def test_going_back_restores_the_baseline_alone(app: AppTest) -> None:
    slider(app, "machines.vm.cores").set_value("2")
    app.run()
    assert 'data-side="what-if"' in html_of(app)
    app.button(key="reset").click().run()
    assert slider(app, "machines.vm.cores").value == "1"
    assert 'data-side="what-if"' not in html_of(app)


def test_an_address_sets_everything(app: AppTest, project: Path) -> None:
    """That a slider writes the address is the browser's part: test_dashboard_browser.py."""
    slider(app, "traffic.users.population").set_value("30")
    app.text_area(key="set").set_value("machines.vm.speed=2")
    app.run()
    other = AppTest.from_file(str(project / "app.py"), default_timeout=60)
    other.query_params["traffic.users.population"] = "30"
    other.query_params["set"] = "machines.vm.speed=2"
    other.query_params["machines.vm.cores"] = "no such value"
    other.run()
    assert slider(other, "traffic.users.population").value == "30"
    assert slider(other, "machines.vm.cores").value == "1"
    for name in ("p50", "p95", "p99", "goodput", "cpu"):
        assert figure(other, name, "what-if") == figure(app, name, "what-if")


@pytest.mark.parametrize(
    ("path", "choice", "text", "said"),
    [
        ("gateway.rate_limits.per_user.replenish_rate", "200", "", "must be at least replenish_rate (200), got 100"),
        ("", "", "services.shop.replica=2", "Did you mean replicas?"),
        ("", "", "machines.vm.cores=<b>many</b>", "&lt;b&gt;many&lt;/b&gt;"),
        ("", "", "no setting at all", "must be PATH=VALUE"),
    ],
)
def test_a_wrong_combination_is_one_line_beside_the_baseline(
    app: AppTest, path: str, choice: str, text: str, said: str
) -> None:
    before = figure(app, "p95", "baseline")
    if path:
        slider(app, path).set_value(choice)
    if text:
        app.text_area(key="set").set_value(text)
    app.run()
    assert not app.exception
    html = html_of(app)
    alert = re.search(r'role="alert">(.*?)</div>', html, re.S)
    assert alert and said in alert[1]
    assert "Traceback" not in html and "<b>many" not in html
    assert figure(app, "p95", "baseline") == before
    assert 'data-side="what-if"' not in html


def test_both_languages(app: AppTest) -> None:
    assert "Will it hold?" in html_of(app)
    english = slider(app, "traffic.users.population").label
    slider(app, "traffic.users.population").set_value("30")
    app.get("button_group")[0].set_value("ko")
    app.run()
    html = html_of(app)
    assert "버틸 수 있는가?" in html and "Will it hold?" not in html
    assert english == "Users at once"
    assert slider(app, "traffic.users.population").label == "동시 사용자 수"
    assert slider(app, "traffic.users.population").value == "30", "a language changes no setting"
    assert figure(app, "goodput", "what-if")


def test_only_knobs_that_the_scenario_has(app: AppTest) -> None:
    paths = [each.key for each in app.select_slider]
    assert not [path for path in paths if "breaker" in path or "pools" in path or "databases" in path]
    assert "Calls between services" not in [each.label for each in app.expander]
    app.selectbox(key="variant").set_value("guarded").run()
    assert not app.exception
    assert slider(app, WINDOW).value == "10"
    assert "Calls between services" in [each.label for each in app.expander]


def test_another_variant_starts_over(app: AppTest) -> None:
    slider(app, "traffic.users.population").set_value("30")
    app.run()
    app.selectbox(key="variant").set_value("guarded").run()
    assert slider(app, "traffic.users.population").value == "20"
    assert 'data-side="what-if"' not in html_of(app)


def test_what_is_said_is_escaped_and_sourced(app: AppTest) -> None:
    html = html_of(app)
    assert "A small shop &lt;on one machine&gt;." in html and "<on one machine>" not in html
    assert "What this rests on: 1 of 2 inputs assumed" in [each.label for each in app.expander]
    assert "nobody knows yet" in html
    assert "section 1" in slider(app, "machines.vm.cores").help
    assert re.search(r"Audit passed: (\d+) of \1 conservation laws", html)


def test_a_scenario_that_cannot_be_read_is_said(app: AppTest, small: Path) -> None:
    small.write_text(SMALL.replace("cores: 1", "cores: 0"))
    app.run()
    assert not app.exception
    assert "machines.vm.cores" in html_of(app) and "small.yaml" in html_of(app)


# --- knobs, without a page ---


def every_knob() -> list[tuple[str, Knob]]:
    return [(name, knob) for name in shipped_names() for knob in knobs_of(load_scenario(name).spec)]


def test_every_knob_of_the_shipped_scenarios_can_be_turned_to_both_ends() -> None:
    for name in shipped_names():
        scenario = load_scenario(name)
        for knob in knobs_of(scenario.spec):
            assert knob.value in knob.options and len(knob.options) > 1, knob.path
            assert knob.label and len(knob.label) < 80, knob.path
            assert (knob.model, knob.field) in FIELDS_IN_KOREAN, knob.path
            assert knob.settings(knob.value) == []
    small_ends = {(knob.options[0], knob.options[-1]) for _, knob in every_knob() if knob.field == "population"}
    assert all(int(low) < int(high) for low, high in small_ends)


def test_a_knob_sets_what_it_says(small: Path) -> None:
    scenario = load_scenario(small)
    knobs = {knob.path: knob for knob in knobs_of(scenario.spec)}
    changed = scenario.with_settings(knobs["services.shop.limits.cpus"].settings(UNSET))
    assert changed.spec.services["shop"].limits.cpus is None
    think = knobs["traffic.users.think_time.mean"]
    slower = scenario.with_settings(think.settings("4s")).spec.traffic.users
    assert slower is not None and slower.think_time.mean_s == 4.0
    assert slower.think_time.model_dump()["p95"] == "8s", "the shape stays: its percentile moves along"
    for path, knob in knobs.items():
        for choice in (knob.options[0], knob.options[-1]):
            end, refusal = REFUSED_TOGETHER.get(path, (None, ""))
            if end is not None and choice == knob.options[end]:
                with pytest.raises(InputError, match=refusal):
                    scenario.with_settings(knob.settings(choice))
                continue
            turned = scenario.with_settings(knob.settings(choice))
            assert turned.spec != scenario.spec or choice == knob.value, path


def test_replicas_bring_their_equal_weights_along() -> None:
    scenario = load_scenario("maltan/growth")
    for knob in knobs_of(scenario.spec):
        if knob.field == "replicas":
            assert scenario.with_settings(knob.settings("5")).spec.services[knob.subject].replicas == 5
    weights = [each.weights for each in scenario.spec.load_balancers["nginx"].upstreams.values()]
    assert [1, 1] in weights, "without any this would show nothing"


def test_a_first_look_has_enough_requests_for_a_p99(small: Path) -> None:
    spec = load_scenario("maltan/early").spec
    assert first_duration_s(spec) * requests_per_s(spec) >= 2000 or first_duration_s(spec) == spec.duration
    assert first_duration_s(load_scenario(small).spec) == 30.0


def test_runs_are_kept_by_their_content(small: Path) -> None:
    told: list[str] = []
    runs = Runs(kept=1)
    scenario, size = load_scenario(small), Size(2, 10.0)

    def ask(scenario, size: Size):
        return runs.get(scenario, size, 0.0, lambda _, text: told.append(text))

    first = ask(scenario, size)
    assert told == ["replication 1 of 2", "replication 2 of 2"]
    assert ask(load_scenario(small), size) is first and len(told) == 2
    other = ask(scenario.with_settings(["seed=2"]), size)
    assert other.document["digest"] != first.document["digest"] and len(told) == 4
    assert ask(scenario, size).document["digest"] == first.document["digest"]
    assert len(told) == 6, "only one is kept here"


def test_a_run_ends_when_its_reader_has_gone(small: Path) -> None:
    class Gone(BaseException):
        pass

    def tell(share: float, text: str) -> None:
        if text == "replication 1 of 3":
            raise Gone

    with pytest.raises(Gone):
        Runs().get(load_scenario(small), Size(3, 10.0), 0.0, tell)


def test_every_text_is_there_in_both_languages() -> None:
    for name, texts in TEXTS.items():
        assert len(texts) == len(LANGUAGES) and all(texts), name
        fields = [set(re.findall(r"{(\w+)}", text)) for text in texts]
        assert fields[0] == fields[1], name
    korean = Words("ko")
    assert korean.evidence("memory peaks at 71 %, 0 kills") == "메모리 최대 71 %, 강제 종료 0회"
    assert korean.progress("replication 1 of 3") == "반복 3회 중 1회"
