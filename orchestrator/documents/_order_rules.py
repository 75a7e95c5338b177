"""What must be right of an order besides the types of its fields, whatever the fleet and whatever models there are."""

from __future__ import annotations

import re
from collections.abc import Iterable

from orchestrator.core.order import About, Nationality, Order, RestoreTerms
from orchestrator.core.scope import Jurisdictions
from orchestrator.documents._model_rules import check_match
from orchestrator.documents._scope_rules import check_places, check_scope
from orchestrator.documents.names import DNS_LABEL, LABEL_VALUE, STEP, is_dns_label, is_label_value, is_step_name
from orchestrator.documents.problems import Path, Problems, shown, suggestion
from orchestrator.documents.vocabulary import Vocabulary

LONGEST_PUBLIC = 200
"""Characters of each of the words that go into refusals of the API server and into answers to users."""
LONGEST_TEXT = 500

_ABOUT = ("location", "audience", "nationality", "everyone")
# The characters that RFC 3986 allows, section 2; a browser has to be able to follow it.
_URL = re.compile(r"https?://[A-Za-z0-9\[][A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*")
_DIGEST = re.compile(r"[0-9a-f]{12,64}")


def check_order(order: Order, problems: Problems, vocabulary: Vocabulary) -> None:
    """Whose order it is, on which models, about whom, and the words that leave this file.

    A model that this workspace does not have is no problem: the catalogues of the clusters may know it.
    """
    for field, text in (("authority", order.authority), ("reference", order.reference), ("lifted", order.lifted)):
        _check_text(field, text, LONGEST_TEXT, problems)
    _check_models(order, problems)
    _check_about(order.about, problems, vocabulary.jurisdictions)
    _check_times(order, problems)
    _check_public_words(order, problems)
    _check_restore(order.restore, problems, vocabulary.jurisdictions)
    if order.supersedes is not None and not _DIGEST.fullmatch(order.supersedes):
        hint = "`orchestrator orders list` shows the digests of orders"
        problems.add("supersedes: expected at least 12 digits of an order's digest", ("spec", "supersedes"), hint)


def _check_text(field: str, text: str | None, longest: int, problems: Problems) -> None:
    if text is None:
        return
    if not text.strip():
        problems.add(f"{field}: expected some words, not an empty string", ("spec", field))
    elif not text.isprintable():
        problems.add(f"{field}: expected one line without control characters", ("spec", field))
    elif len(text) > longest:
        problems.add(f"{field}: expected at most {longest} characters, not {len(text)}", ("spec", field))


def _check_models(order: Order, problems: Problems) -> None:
    seen: set[str] = set()
    for index, model in enumerate(order.models):
        if not is_dns_label(model):
            problems.add(f"{shown(model)} cannot name a model", ("spec", "models", index), DNS_LABEL)
        if model in seen:
            problems.add(f"{model} is there already", ("spec", "models", index))
        seen.add(model)
    if not seen:
        problems.add("models: expected at least one model", ("spec", "models"))
    for name, match in order.match.items():
        path: Path = ("spec", "match", name)
        if name not in seen:
            problems.add(f"{name} is none of the order's models", path, suggestion(name, seen, "models of this order"))
        if not (match.labels or match.weights or match.images):
            problems.add(f"nothing says how {name} is recognised", path, "labels, weights or images")
        check_match(match, path, problems)


def _check_about(about: About, problems: Problems, jurisdictions: Jurisdictions) -> None:
    path: Path = ("spec", "about")
    if about.clusters is not None:
        hint = "`disable --hold` keeps a model off in clusters of your choice"
        problems.add("clusters: only an operator's hold is about clusters", (*path, "clusters"), hint)
    said = [field for field in _ABOUT if getattr(about, field)]
    if len(said) != 1:
        names = ", ".join(_ABOUT)
        problems.add(f"about: expected exactly one of {names}, not {' and '.join(said) or 'nothing'}", path)
    if about.location is not None:
        _check_places("in", about.location.in_, (*path, "location"), problems, jurisdictions)
    if about.audience is not None:
        _check_places("serves", about.audience.serves, (*path, "audience"), problems, jurisdictions)
    if about.nationality is not None:
        _check_nationality(about.nationality, (*path, "nationality"), problems, jurisdictions)


def _check_nationality(nationality: Nationality, path: Path, problems: Problems, jurisdictions: Jurisdictions) -> None:
    if bool(nationality.of) == bool(nationality.except_):
        problems.add("nationality: expected either of or except, with countries", path)
    check_places(nationality.of, (*path, "of"), problems, jurisdictions)
    check_places(nationality.except_, (*path, "except"), problems, jurisdictions)


def _check_places(
    field: str, words: Iterable[str], path: Path, problems: Problems, jurisdictions: Jurisdictions
) -> None:
    places = tuple(words)
    if not places:
        problems.add(f"{field}: expected countries or groups, not an empty list", (*path, field))
    check_places(places, (*path, field), problems, jurisdictions)


def _check_times(order: Order, problems: Problems) -> None:
    if order.received is not None and order.received.utcoffset() is None:
        hint = "2026-06-12T17:21:00-04:00, or with Z for UTC"
        problems.add("received: expected a time with its time zone", ("spec", "received"), hint)
    if order.deadline is not None and order.deadline <= 0:
        problems.add("deadline: expected more than 0", ("spec", "deadline"))


def _check_public_words(order: Order, problems: Problems) -> None:
    """They become part of what API servers and gateways answer, where a second line would pass for another answer."""
    for field, text in (("contact", order.contact), ("notice", order.notice), ("noticeUrl", order.notice_url)):
        _check_text(field, text, LONGEST_PUBLIC, problems)
    if order.notice_url is not None and not _URL.fullmatch(order.notice_url):
        message = f"{shown(order.notice_url)}: expected a URL with http:// or https://"
        problems.add(message, ("spec", "noticeUrl"))
    if order.substitute is None:
        return
    if not order.substitute or not is_label_value(order.substitute):
        problems.add(f"{shown(order.substitute)} cannot name a model", ("spec", "substitute"), LABEL_VALUE)
    if order.substitute in order.models:
        problems.add(f"{order.substitute} is taken down by this very order", ("spec", "substitute"))


def _check_restore(terms: RestoreTerms, problems: Problems, jurisdictions: Jurisdictions) -> None:
    seen: set[str] = set()
    for index, wave in enumerate(terms.waves):
        path: Path = ("spec", "restore", "waves", index)
        if not is_step_name(wave.name):
            problems.add(f"{shown(wave.name)} cannot name a wave", (*path, "name"), STEP)
        if wave.name in seen:
            problems.add(f"there is already a wave {shown(wave.name)}", (*path, "name"))
        seen.add(wave.name)
        check_scope(wave.scope, (*path, "scope"), problems, jurisdictions)
