"""The check `http`: an endpoint answers with the expected status, and with the expected text if one is given."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from tenacity import AsyncRetrying, RetryCallState, retry_if_result, wait_random_exponential

from orchestrator.core.check import Check, CheckContext
from orchestrator.core.ports import HttpRequest, Prober
from orchestrator.core.redaction import without_credentials
from orchestrator.core.schema import DOCUMENT, Seconds
from orchestrator.core.text import printable
from orchestrator.core.verdict import Assessment, Readiness, Reason
from orchestrator.errors import ClusterError

_DEFAULT_WITHIN = Seconds(60)
_DEFAULT_TIMEOUT = Seconds(10)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Params:
    """Parameters of the check."""

    __pydantic_config__ = DOCUMENT

    url: str
    """What is asked; `{cluster}`, `{region}` and `{model}` are replaced, here and in `path`."""
    path: str | None = None
    """Path below the URL."""
    expect_status: int = 200
    """HTTP status that passes; redirects are not followed."""
    contains: str | None = None
    """Text that the answer must contain."""
    within: Seconds = _DEFAULT_WITHIN
    """How long it is asked again before it counts as failed."""
    timeout: Seconds = _DEFAULT_TIMEOUT
    """How long one answer may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was seen last."""

    url: str
    status: int | None
    """None when nobody answered."""
    contains: bool = False
    message: str = ""


async def gather(params: Params, context: CheckContext, prober: Prober) -> Answer:
    """Ask until it passes or `within` is over, with full jitter between; the last answer counts."""
    url, clock = address_of(params, context), context.clock
    end = clock.elapsed() + params.within

    def is_over(state: RetryCallState) -> bool:
        return clock.elapsed() + state.upcoming_sleep >= end

    async def ask() -> Answer:
        request = HttpRequest(url=url, timeout=min(params.timeout, max(0.1, end - clock.elapsed())))
        try:
            answer = await prober.ask(request)
        except ClusterError as error:
            return Answer(url=printable(without_credentials(url)), status=None, message=printable(error.message))
        text = answer.body.decode(errors="replace")
        return Answer(
            url=printable(without_credentials(url)), status=answer.status, contains=(params.contains or "") in text
        )

    asking = AsyncRetrying(
        sleep=clock.sleep,
        stop=is_over,
        wait=wait_random_exponential(multiplier=_FIRST_PAUSE, max=_LONGEST_PAUSE),
        retry=retry_if_result(lambda answer: judge(params, answer).readiness is not Readiness.DONE),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
    )
    last: Answer = await asking(ask)
    return last


def judge(params: Params, answer: Answer) -> Assessment:
    """Passed, failed, or, where nobody answered, unknown."""
    if answer.status is None:
        return _finding(Readiness.UNKNOWN, "no-answer", f"{answer.url}: {answer.message}")
    if answer.status != params.expect_status:
        words = f"{answer.url} answers {answer.status} instead of {params.expect_status}"
        return _finding(Readiness.FAILED, "http-status", words)
    if not answer.contains:
        return _finding(Readiness.FAILED, "http-content", f"{answer.url} answers without the expected text")
    return Assessment(Readiness.DONE)


def address_of(params: Params, context: CheckContext) -> str:
    """The address that is asked in one cluster; names from documents are quoted, so that they stay one segment."""
    address = params.url
    if params.path is not None:
        address = f"{address.rstrip('/')}/{params.path.lstrip('/')}"
    for word, value in (("cluster", context.cluster), ("region", context.region), ("model", context.model)):
        address = address.replace(f"{{{word}}}", quote(value, safe=""))
    return address


def _finding(readiness: Readiness, code: str, message: str) -> Assessment:
    return Assessment(readiness, (Reason(code=code, message=printable(message)),))


PLUGIN = Check(key="http", params=Params, gather=gather, judge=judge)
