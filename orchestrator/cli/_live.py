"""A run as it goes, for a terminal: every model in every cluster with its phase, worst first, grouped where many.

`Picture` is pure: events in, rows out. `LiveView` draws it on stderr four times a second until the run ends, and then
takes it away: what stays on the screen is the result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from orchestrator.cli._render import STYLES, SYMBOLS, WORST_FIRST
from orchestrator.core.events import Event, EventType
from orchestrator.core.objects import SYSTEM_NAMESPACE
from orchestrator.core.text import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

_ORDER: Final = (*WORST_FIRST[:-1], "rolling back", "going on", "not begun", "verified")
"""Worst first, then what is going on, then what is over."""
_CHROME: Final = 5
"""Lines around the rows: heading, blank, column heads, the group line, the cursor's own."""
_WIDE: Final = 100


@dataclass(slots=True)
class Row:
    """One model in one cluster."""

    region: str
    cluster: str
    model: str
    phase: str = "not begun"
    """In words; a verdict once there is one."""
    replicas: str = ""
    """`ready/desired`."""
    pods: str = ""
    last: str = ""
    """What was told last."""

    @property
    def rank(self) -> int:
        """Its place in `_ORDER`."""
        return _ORDER.index(self.phase if self.phase in _ORDER else "going on")


class Picture:
    """What is known of a run from its events so far."""

    def __init__(self) -> None:
        self.action = ""
        self.name = ""
        self.step = ""
        self.started: datetime | None = None
        self.deadline: datetime | None = None
        self._regions: dict[str, str] = {}
        self._rows: dict[tuple[str, str], Row] = {}

    def hear(self, event: Event) -> None:
        """Take in one event."""
        if event.type is EventType.RUN_STARTED:
            self._begin(event)
        elif event.type is EventType.JOINED:
            self._place(event.data)
        elif event.type is EventType.WAVE_STARTED:
            self.step = event.step or ""
        elif event.cluster and event.model:
            self._change(self._row(event.cluster, event.model), event)

    def rows(self) -> list[Row]:
        """Every row, worst first."""
        return sorted(self._rows.values(), key=lambda row: (row.rank, row.region, row.cluster, row.model))

    def _begin(self, event: Event) -> None:
        data = event.data
        self.action, self.started = str(data.get("action", "")), event.at
        self.name = "" if data.get("name") == "-" else str(data.get("name", ""))
        if isinstance(limit := data.get("deadline"), str):
            self.deadline = datetime.fromisoformat(limit)
        self._place(data)

    def _place(self, data: Mapping[str, Any]) -> None:
        for cluster, place in (data.get("places") or {}).items():
            self._regions[cluster] = str(place.get("region", ""))
            for model in place.get("models", ()):
                row = self._row(cluster, str(model))
                row.last = str(place.get("awaited", ""))
                if why := place.get("unreachable"):
                    row.phase, row.last = "unreachable", str(why)

    def _row(self, cluster: str, model: str) -> Row:
        return self._rows.setdefault(
            (cluster, model), Row(region=self._regions.get(cluster, ""), cluster=cluster, model=model)
        )

    def _change(self, row: Row, event: Event) -> None:
        data = event.data
        phase = _PHASES.get(event.type)
        row.phase = phase or row.phase
        if isinstance(counts := data.get("replicas"), dict):
            row.replicas, row.pods = f"{counts.get('ready', 0)}/{counts.get('desired', 0)}", str(counts.get("pods", ""))
        match event.type:
            case EventType.ITEM_ENDED:
                row.phase, row.last = str(data.get("verdict", "ended")), _first_reason(data)
            case EventType.PROGRESS:
                row.last = "; ".join(map(str, data.get("reasons", ())))
            case EventType.SENDING:
                row.last = _write(str(data.get("verb")), str(data.get("object")))
            case EventType.SOAKING:
                row.last = f"has to hold for {data.get('seconds', 0):g}s"
            case EventType.LAST_POD_GONE:
                row.pods, row.last = "0", "last pod gone"


_PHASES: Final = {
    EventType.ITEM_STARTED: "begun",
    EventType.SENDING: "writing",
    EventType.PROGRESS: "waiting",
    EventType.SOAKING: "soaking",
    EventType.CHECKED: "checking",
    EventType.ROLLING_BACK: "rolling back",
}


def _write(verb: str, ref: str) -> str:
    """A write in few words: a kind is told by its name, and our own records are no news to anybody."""
    kind, _, name = ref.rpartition("/" if " " not in ref else " ")
    kind = kind.rpartition("/")[2]
    if kind.startswith("ValidatingAdmissionPolicy"):
        return f"{verb} guard"
    return "keeping records" if name.startswith(f"{SYSTEM_NAMESPACE}/") else f"{verb} {kind} {name}"


def _first_reason(data: Any) -> str:
    reasons = data.get("reasons") or ()
    return str(reasons[0].get("message", "")) if reasons and isinstance(reasons[0], dict) else ""


def draw(picture: Picture, now: datetime, *, width: int, height: int) -> RenderableType:
    """The picture in a space of `width` columns and `height` lines; what does not fit is counted by region."""
    rows = picture.rows()
    room = max(3, height - _CHROME)
    shown = rows if len(rows) <= room else rows[: max(1, room - len({row.region for row in rows}))]
    table = _table(shown, width, names_models=_only_model(rows) is None)
    parts: list[RenderableType] = [_heading(picture, rows, now), Text(), table]
    groups, space = _by_region(rows[len(shown) :]), room - len(shown)
    if len(groups) > space:
        groups = [
            *groups[: space - 1],
            ("elsewhere", [row for _, of_region in groups[space - 1 :] for row in of_region]),
        ]
    parts += [_counted(region, of_region, width) for region, of_region in groups]
    return Group(*parts)


def _heading(picture: Picture, rows: list[Row], now: datetime) -> Text:
    counts = Counter(row.phase for row in rows)
    words = (picture.action, printable(picture.name, 40), printable(picture.step, 30))
    parts = [" ".join(word for word in words if word)]
    if (model := _only_model(rows)) and model not in picture.name:
        parts.append(printable(model, 18))
    if picture.started is not None:
        parts.append(_clock((now - picture.started).total_seconds()))
    if picture.deadline is not None:
        left = (picture.deadline - now).total_seconds()
        parts.append(f"{_clock(left)} left" if left >= 0 else f"{_clock(-left)} past the deadline")
    parts.append(f"{counts['verified']}/{sum(counts.values())} verified")
    return Text(" · ".join(parts), style="bold", no_wrap=True, overflow="ellipsis")


def _only_model(rows: list[Row]) -> str | None:
    """The model that every row is about; None where there are several."""
    models = {row.model for row in rows}
    return models.pop() if len(models) == 1 else None


def _table(rows: Iterable[Row], width: int, *, names_models: bool) -> Table:
    """A column that says the same in every row, or has no room, is left out."""
    columns: dict[str, Callable[[Row], str | Text]] = {
        "REGION": lambda row: printable(row.region, 20),
        "CLUSTER": lambda row: printable(row.cluster, 22),
        "MODEL": lambda row: printable(row.model, 18),
        "PHASE": lambda row: Text(f"{SYMBOLS.get(row.phase, '…')} {row.phase}", style=STYLES.get(row.phase, "")),
        "READY": lambda row: row.replicas,
        "PODS": lambda row: row.pods,
        "LAST": lambda row: Text(printable(row.last, 200), style="dim"),
    }
    if width < _WIDE:
        del columns["REGION"]
    if not names_models:
        del columns["MODEL"]
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    for heading in columns:
        table.add_column(heading, no_wrap=True, overflow="ellipsis", ratio=1 if heading == "LAST" else None)
    for row in rows:
        table.add_row(*(cell(row) for cell in columns.values()))
    return table


def _by_region(rows: Iterable[Row]) -> list[tuple[str, list[Row]]]:
    regions: dict[str, list[Row]] = {}
    for row in rows:
        regions.setdefault(row.region, []).append(row)
    return sorted(regions.items(), key=lambda one: (min(row.rank for row in one[1]), one[0]))


def _counted(region: str, rows: list[Row], width: int) -> Text:
    counts = Counter(row.phase for row in sorted(rows, key=lambda row: row.rank))
    words = ", ".join(f"{number} {phase}" for phase, number in counts.items())
    text = Text(f"… {printable(region, 30)}: {words}", no_wrap=True, overflow="ellipsis")
    text.truncate(width, overflow="ellipsis")
    return text


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return (
        f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}" if whole >= 3600 else f"{whole // 60}:{whole % 60:02}"
    )


class LiveView:
    """Draws the picture of a run on a terminal, from its first event to its last."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._picture = Picture()
        self._live: Live | None = None

    def __call__(self, event: Event) -> None:
        """Hear an event."""
        if event.type is EventType.RUN_STARTED:
            self._picture = Picture()
        self._picture.hear(event)
        if event.type is EventType.RUN_STARTED and self._live is None:
            self._live = Live(self, console=self._console, refresh_per_second=4, transient=True)
            self._live.start()
        elif event.type is EventType.RUN_ENDED and self._live is not None:
            self._live.stop()
            self._live = None

    def __rich__(self) -> RenderableType:
        return draw(self._picture, datetime.now(UTC), width=self._console.width, height=self._console.height)
