"""Every text of the page, in English and Korean.

What the scenario itself says (names, paths, notes) and messages about bad input stay as they are written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from experiments.dashboard.knobs import Knob
from experiments.dashboard.running import WAITING

LANGUAGES: Final[Mapping[str, str]] = {"en": "English", "ko": "한국어"}

TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    "tagline": ("What if?", "만약 이렇게 바꾸면?"),
    "language": ("Language", "언어"),
    "scenario": ("Scenario", "시나리오"),
    "variant": ("Variant", "변형"),
    "as_written": ("as written", "원본 그대로"),
    "traffic": ("Traffic", "트래픽"),
    "gateway": ("Gateway limits", "게이트웨이 제한"),
    "services": ("Services", "서비스"),
    "machines": ("Machines", "머신"),
    "data": ("Pools, databases and caches", "커넥션 풀 · DB · 캐시"),
    "resilience": ("Calls between services", "서비스 간 호출"),
    "faults": ("Faults", "장애"),
    "size": ("Length of the run", "실행 길이"),
    "duration": ("Simulated time of a replication", "반복 1회의 모의 시간"),
    "replications": ("Replications", "반복 횟수"),
    "size_note": (
        "About {requests} requests for the what-if. More replications narrow the intervals.",
        "변경안은 약 {requests}건의 요청을 모의합니다. 반복을 늘리면 구간이 좁아집니다.",
    ),
    "more": ("Any other setting", "그 밖의 설정"),
    "more_label": ("One PATH=VALUE per line", "한 줄에 하나씩 PATH=VALUE"),
    "more_help": (
        "As with --set on the command line: any path of the scenario, null unsets. They come after the sliders.",
        "명령줄의 --set과 같습니다. 모든 경로를 쓸 수 있고 null은 값을 지웁니다. 슬라이더 다음에 적용됩니다.",
    ),
    "reset": ("Back to the baseline", "기준으로 되돌리기"),
    "comes_from": ("Source: {source}", "출처: {source}"),
    "share": (
        "The address of this page holds every setting. Copy it to share what you see.",
        "이 페이지의 주소에 모든 설정이 담겨 있습니다. 주소를 복사하면 같은 화면을 공유할 수 있습니다.",
    ),
    "changed": ("What-if", "변경안"),
    "what_if": ("What-if", "변경안"),
    "baseline": ("Baseline", "기준"),
    "nothing_changed": (
        "Nothing is changed yet: move a slider to see its effect beside this baseline.",
        "아직 바뀐 것이 없습니다. 슬라이더를 움직이면 기준 옆에 효과가 표시됩니다.",
    ),
    "run_short": (
        "A quick look: {count} replications of {length}, where the scenario asks for {full_count} of {full_length}. "
        "Lengthen the run before you act on it.",
        "간단히 본 결과입니다. 시나리오는 {full_length}씩 {full_count}회를 요구하지만 여기서는 {length}씩 {count}회만 "
        "실행했습니다. 결정하기 전에 실행을 늘리세요.",
    ),
    "run_full": (
        "{count} replications of {length}, as the scenario asks for.",
        "시나리오대로 {length}씩 {count}회 실행했습니다.",
    ),
    "same_users": (
        "Both runs meet the same users with the same wishes (seed {seed}); differences are paired, with 95 % "
        "intervals. The first {warm_up} are left out of the figures.",
        "두 실행은 같은 사용자와 같은 요청을 만납니다(시드 {seed}). 차이는 짝지어 비교했고 구간은 95 %입니다. "
        "처음 {warm_up}는 수치에서 제외합니다.",
    ),
    "alone": (
        "Seed {seed}, 95 % intervals; the first {warm_up} are left out of the figures.",
        "시드 {seed}, 95 % 구간입니다. 처음 {warm_up}는 수치에서 제외합니다.",
    ),
    "unsettled": (
        "Too short to conclude: the pilot run had not settled. Lengthen the run.",
        "결론을 내리기에 너무 짧습니다. 시험 실행이 안정되지 않았습니다. 실행을 늘리세요.",
    ),
    "trace": ("the recorded trace", "기록된 트레이스"),
    "p50": ("p50 response time", "p50 응답 시간"),
    "p95": ("p95 response time", "p95 응답 시간"),
    "p99": ("p99 response time", "p99 응답 시간"),
    "goodput": ("Goodput", "유효 처리량"),
    "success": ("Success rate", "성공률"),
    "errors": ("Error rate (5xx)", "오류율 (5xx)"),
    "cpu": ("CPU", "CPU"),
    "memory": ("Memory peak", "최대 메모리"),
    "cache": ("Cache hits", "캐시 적중률"),
    "attempts": ("Attempts a request", "요청당 시도 횟수"),
    "waste": ("CPU for callers who had gone", "떠난 호출자를 위한 CPU"),
    "paused": ("Paused by the JVM", "JVM 멈춤"),
    "stale": ("Stale reads", "오래된 값을 읽음"),
    "recovery": ("Does it come back?", "회복하는가?"),
    "recovered": ("recovered in {number} of {of} replications", "반복 {of}회 중 {number}회 회복"),
    "recovered_after": (
        "recovered in {number} of {of} replications, {after} after the cause was gone",
        "반복 {of}회 중 {number}회 회복, 원인이 사라지고 {after} 뒤",
    ),
    "recovered_at_once": (
        "recovered in {number} of {of} replications, at once",
        "반복 {of}회 중 {number}회 즉시 회복",
    ),
    "stuck": (
        "STUCK in {number} of {of} replications: still down {observed} after the cause was gone",
        "반복 {of}회 중 {number}회 멈춰 있음: 원인이 사라지고 {observed} 뒤에도 회복하지 못함",
    ),
    "too_short": (
        "too short to tell: lengthen the run before or after it",
        "판단하기에 너무 짧음: 앞뒤로 실행을 늘리세요",
    ),
    "down_before": (
        "down already: most requests failed before the cause began",
        "이미 멈춰 있었음: 원인이 시작되기 전부터 요청 대부분이 실패",
    ),
    "episode": ("{what}, from {begins} to {ends}", "{what}, {begins}부터 {ends}까지"),
    "episode_open": ("{what}, from {begins} to the end of the run", "{what}, {begins}부터 끝까지"),
    "before_now": (
        "goodput {before} before, {worst} at the worst, {after} in the end",
        "유효 처리량: 이전 {before}, 최악 {worst}, 끝 {after}",
    ),
    "better": ("better by {amount}", "{amount} 개선"),
    "worse": ("worse by {amount}", "{amount} 악화"),
    "same": ("no difference", "차이 없음"),
    "unclear": ("not distinguishable", "구별할 수 없음"),
    "unclear_more": (
        "not distinguishable: about {more} more replications",
        "구별할 수 없음: 약 {more}회 더 필요",
    ),
    "unclear_one_more": (
        "not distinguishable: about one more replication",
        "구별할 수 없음: 약 1회 더 필요",
    ),
    "too_few": ("too few requests in a replication: lengthen the run", "요청이 너무 적음: 실행을 늘리세요"),
    "points_unit": ("pp", "%p"),
    "verdict": ("Will it hold?", "버틸 수 있는가?"),
    "objective": ("Objective", "목표"),
    "at_most": ("at most {bound}", "{bound} 이하"),
    "at_least": ("at least {bound}", "{bound} 이상"),
    "met": ("met", "충족"),
    "breached": ("breached", "위반"),
    "undecided": ("undecided", "미정"),
    "holds": ("holds: every objective is met", "버팁니다: 모든 목표 충족"),
    "does_not_hold": ("does not hold: {number} of {all} breached", "버티지 못합니다: {all}개 중 {number}개 위반"),
    "is_undecided": ("undecided on {number} of {all}", "{all}개 중 {number}개 미정"),
    "no_objectives": ("This scenario sets no objectives.", "이 시나리오에는 목표가 없습니다."),
    "breaks_first": ("What breaks first", "무엇이 먼저 무너지는가"),
    "nothing_binds": ("Nothing binds. The nearest limit:", "아직 한계에 닿은 것이 없습니다. 가장 가까운 한계:"),
    "binds": ("This limit binds:", "한계에 닿았습니다:"),
    "nothing_used": ("Nothing was used.", "사용된 것이 없습니다."),
    "over_time": ("Response time and goodput over time", "시간에 따른 응답 시간과 유효 처리량"),
    "over_time_note": (
        "All requests that ended in each {span}, all replications together. Grey: warm-up; red: a fault or surge.",
        "{span}마다 끝난 모든 요청, 모든 반복을 합친 값입니다. 회색은 준비 구간, 붉은색은 장애나 급증입니다.",
    ),
    "parts": ("Where the p99's time goes", "p99의 시간은 어디에 쓰이는가"),
    "parts_note": (
        "Mean over the requests around the 99th percentile.",
        "99번째 백분위수 주변 요청의 평균입니다.",
    ),
    "parts_none": ("Too few requests to say.", "말하기에는 요청이 너무 적습니다."),
    "wait": ("waiting in queues", "대기열에서 기다림"),
    "part_cpu": ("burning CPU", "CPU 사용"),
    "throttled": ("throttled by quotas", "CPU 제한으로 멈춤"),
    "part_cache": ("asking the cache", "캐시 조회"),
    "db": ("in the database", "데이터베이스"),
    "delay": ("network and other waits", "네트워크 등 외부 대기"),
    "left": ("in attempts that were left", "기다리다 그만둔 시도"),
    "other": ("not accounted for", "기타"),
    "stations": ("Utilisation of stations", "지점별 사용률"),
    "stations_note": (
        "Threads, permits, connections in use on average; the busiest first.",
        "평균적으로 사용 중인 스레드 · 허가 · 커넥션의 비율, 바쁜 순서입니다.",
    ),
    "containers": ("CPU by container", "컨테이너별 CPU"),
    "containers_note": ("Cores in use on average; the busiest first.", "평균적으로 사용한 코어 수, 바쁜 순서입니다."),
    "cores": ("cores", "코어"),
    "refused": ("refused", "거절"),
    "of_limit": ("of its limit", "제한 대비"),
    "throttled_share": ("throttled", "제한에 걸림"),
    "audit_passed": (
        "Audit passed: {held} of {all} conservation laws hold in every replication.",
        "감사 통과: 모든 반복에서 보존 법칙 {all}개 중 {held}개가 성립합니다.",
    ),
    "audit_failed": (
        "Audit FAILED: {held} of {all} conservation laws hold.",
        "감사 실패: 보존 법칙 {all}개 중 {held}개만 성립합니다.",
    ),
    "assumptions": (
        "What this rests on: {assumed} of {all} inputs assumed",
        "근거: 입력 {all}개 중 {assumed}개는 가정",
    ),
    "path": ("Path", "경로"),
    "source": ("Source", "출처"),
    "reference": ("Where and why", "어디서, 왜"),
    "not_modelled": ("Not modelled", "모형에 없는 것"),
    "assumed": ("assumed", "가정"),
    "guide": ("guide", "가이드"),
    "file": ("file", "파일"),
    "measured": ("measured", "측정"),
    "fitted": ("fitted", "추정"),
    "default": ("default", "기본값"),
    "command": ("The same on the command line", "명령줄에서 똑같이"),
    "running_baseline": ("Baseline: {what}", "기준 실행: {what}"),
    "running_what_if": ("What-if: {what}", "변경안 실행: {what}"),
    "pilot": ("pilot run for the warm-up", "준비 구간을 찾는 시험 실행"),
    "waiting": ("waiting for another run to end", "다른 실행이 끝나기를 기다리는 중"),
    "replication_of": ("replication {done} of {all}", "반복 {all}회 중 {done}회"),
    "cannot_run": ("This cannot be run", "실행할 수 없습니다"),
    "still_baseline": ("Below: the baseline, unchanged.", "아래는 바뀌지 않은 기준입니다."),
}  # fmt: skip

FIELDS_IN_KOREAN: Final[Mapping[tuple[str, str], str]] = {
    ("UsersSpec", "population"): "동시 사용자 수",
    ("UsersSpec", "think_time"): "응답 후 다음 요청까지의 시간",
    ("OpenSpec", "rate"): "도착률",
    ("TraceSpec", "speed"): "재생 속도",
    ("TrafficSpec", "users_per_ip"): "IP 하나를 쓰는 사용자 수",
    ("SurgeSpec", "factor"): "급증 배율",
    ("SlowSpec", "factor"): "느려지는 배율",
    ("FaultSpec", "on"): "장애 발생 여부",
    ("ClientRetrySpec", "max_attempts"): "클라이언트의 최대 시도 횟수 (첫 시도 포함)",
    ("ClientRetrySpec", "attempt_limit"): "클라이언트가 한 번의 시도에서 기다리는 시간",
    ("RetryBudgetSpec", "ratio"): "요청 하나가 버는 재시도 (재시도 예산)",
    ("ClientSpec", "patience"): "클라이언트가 기다리는 시간",
    ("Bucket4jGreedySpec", "refill"): "기간마다 채워지는 토큰",
    ("Bucket4jGreedySpec", "capacity"): "한 번에 몰릴 수 있는 최대 토큰",
    ("Bucket4jIntervallySpec", "refill"): "기간마다 한꺼번에 채워지는 토큰",
    ("Bucket4jIntervallySpec", "capacity"): "한 번에 몰릴 수 있는 최대 토큰",
    ("FixedWindowSpec", "limit"): "기간마다 통과하는 요청 수",
    ("AnchoredWindowSpec", "limit"): "기간마다 통과하는 요청 수",
    ("SlidingLogSpec", "limit"): "기간마다 통과하는 요청 수",
    ("SlidingCounterSpec", "limit"): "기간마다 통과하는 요청 수",
    ("SpringRedisSpec", "replenish_rate"): "초마다 채워지는 토큰",
    ("SpringRedisSpec", "burst_capacity"): "한 번에 몰릴 수 있는 최대 토큰",
    ("BulkheadSpec", "permits"): "동시에 처리하는 요청 수 제한",
    ("ServiceSpec", "replicas"): "인스턴스 수",
    ("LimitsSpec", "cpus"): "CPU 제한",
    ("LimitsSpec", "memory"): "메모리 제한",
    ("MachineSpec", "cores"): "CPU 코어",
    ("MachineSpec", "memory"): "메모리",
    ("HikariSpec", "maximum_pool_size"): "최대 커넥션 수",
    ("DatabaseSpec", "max_connections"): "최대 커넥션 수",
    ("CacheClassSpec", "ttl"): "캐시 유지 시간 (TTL)",
    ("CallBreakerSpec", "sliding_window_size"): "윈도 크기",
    ("CallBreakerSpec", "failure_rate_threshold"): "열리는 실패율 (%)",
    ("CallBreakerSpec", "wait_duration_in_open_state"): "열린 채로 기다리는 시간",
    ("TimeLimiterSpec", "limit"): "호출 시간 제한",
    ("RetrySpec", "max_attempts"): "최대 호출 횟수 (첫 호출 포함)",
    ("RetrySpec", "wait_duration"): "재시도 전 대기 시간",
    ("RateLimiterSpec", "limit_for_period"): "주기마다 허용하는 호출 수",
    ("ThreadPoolBulkheadSpec", "max_thread_pool_size"): "스레드 풀의 최대 크기",
    ("ThreadPoolBulkheadSpec", "queue_capacity"): "스레드 풀의 대기열 크기",
}

PART_TEXTS: Final[Mapping[str, str]] = {"cpu": "part_cpu", "cache": "part_cache"}
"""Parts of a response time whose names are those of other texts."""


class Words:
    """The texts in one language."""

    def __init__(self, language: str) -> None:
        self._column = list(LANGUAGES).index(language)
        self.language = language

    def __call__(self, name: str, **values: object) -> str:
        text = TEXTS[name][self._column]
        return text.format(**values) if values else text

    def label(self, knob: Knob) -> str:
        """What a slider is called. A field nobody has translated keeps its description."""
        label = knob.label
        if self.language == "ko":
            label = FIELDS_IN_KOREAN.get((knob.model, knob.field), label)
        return f"{knob.subject}: {label[:1].lower()}{label[1:]}" if knob.subject and label[1:2].islower() else (
            f"{knob.subject}: {label}" if knob.subject else label)  # fmt: skip

    def duration(self, seconds: float) -> str:
        """A length of time."""
        units = (("min", "분"), ("s", "초"))
        if seconds >= 120 or seconds == 60:
            return f"{seconds / 60:.3g} {units[0][self._column]}"
        return f"{seconds:.3g} {units[1][self._column]}"

    def progress(self, text: str) -> str:
        """What the runner says is going on."""
        found = re.fullmatch(r"replication (\d+) of (\d+)", text)
        if found:
            return self("replication_of", done=found[1], all=found[2])
        return self("pilot") if text.startswith("pilot") else self("waiting") if text == WAITING else text

    def evidence(self, text: str) -> str:
        """Why a limit is named, as the result says it."""
        if self.language == "en":
            return text
        for pattern, korean in EVIDENCE_IN_KOREAN:
            found = re.fullmatch(pattern, text)
            if found:
                return korean.format(*found.groups())
        return text


EVIDENCE_IN_KOREAN: Final = (
    (
        r"cores (\S+ %) busy, (\S+) threads waiting for one on average",
        "코어 사용률 {0}, 평균 {1}개 스레드가 코어를 기다림",
    ),
    (r"memory peaks at (\S+ %), (\S+) kills", "메모리 최대 {0}, 강제 종료 {1}회"),
    (r"(\S+ %) of its quota used, throttled (\S+ %) of the time", "할당량의 {0} 사용, 시간의 {1} 동안 멈춤"),
    (r"killed (\S+) times", "강제 종료 {0}회"),
    (r"refuses (\S+ %) of requests", "요청의 {0} 거절"),
    (r"refuses (\S+ %) of requests, holds (\S+ %)", "요청의 {0} 거절, {1} 지연"),
    (
        r"refuses (\S+ %) of requests, holds (\S+ %) for (\S+) ms on average",
        "요청의 {0} 거절, {1} 지연(평균 {2} ms)",
    ),
    (
        r"refuses (\S+) writes, evicts (\S+) entries in (\S+) stores",
        "쓰기 {0}회 거절, 저장 {2}회 중 항목 {1}개 제거",
    ),
    (
        r"heap full for (\S+) requests, stopped by its collector (\S+ %) of the time",
        "요청 {0}개에서 힙 부족, 시간의 {1} 동안 GC로 멈춤",
    ),
    (
        r"(\S+ %) in use, (\S+ %) refused or given up, mean wait (\S+) ms",
        "사용률 {0}, 거절 또는 포기 {1}, 평균 대기 {2} ms",
    ),
)
