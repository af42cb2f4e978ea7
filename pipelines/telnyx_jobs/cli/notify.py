"""Who is notified of a sync: a webhook of failures, a ping address of each start and end.

The webhook gets one JSON object by POST, with a `text` that Slack and similar services show, if a
run fails, meets failures that no run has seen before, or a failure rate begins to rise. The ping
address is a heartbeat as in https://healthchecks.io/docs/http_api/: `URL/start` once the run has
the lock, `URL` at the end, `URL/<exit code>` if it failed; the body is the run's id.

Exit code 75 means "retry later", which a schedule does by itself: the webhook gets nothing, and the
ping address only a run that published something. A run that a signal stopped has failed.

Both addresses are secrets, and no message here contains one. If an address does not answer, the run
is not affected.
"""

import json
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from telnyx_jobs.addresses import http_address
from telnyx_jobs.errors import BadConfiguration, TryAgainLater
from telnyx_jobs.text import unbroken, without_numbers
from telnyx_jobs.version import __version__

if TYPE_CHECKING:
    import httpx

    from telnyx_jobs.run.summary import Summary

ATTEMPTS = 3
ATTEMPT_SECONDS = 5.0
"""How long one step of an attempt may take, such as the connection."""
PATIENCE_SECONDS = 15.0
"""How long a finished run waits for its messages to arrive."""
SHOWN_FAILURES = 5
_GAP = "\u200b"
"""A space of no width."""


class Notifier:
    """Reports one run. Without addresses it sends nothing."""

    def __init__(self) -> None:
        self._webhook: str | None = None
        self._ping: str | None = None
        self._summary: Summary | None = None
        self._is_over = False
        self._threads: list[tuple[str, threading.Thread]] = []
        """Messages on their way, each with the option that names its address."""
        self._failures: dict[str, str] = {}

    def address(self, webhook: str | None, ping: str | None) -> None:
        """Notify these from now on, if they can be used."""
        self._webhook = webhook
        self._ping = ping

    def follow(self, summary: "Summary") -> None:
        """The run to report. Raises BadConfiguration for an address that cannot be used."""
        self._summary = summary
        for option, address in (("webhook", self._webhook), ("ping", self._ping)):
            if address is not None and http_address(address) is None:
                raise BadConfiguration(
                    f"the address in --{option} is not an http(s) address: give one such as "
                    "https://hooks.example.com/services/secret"
                )

    def started(self) -> None:
        """The run has the lock."""
        self._send_ping("start")

    def ended(self, exit_code: int, error: str | None, *, is_stopped: bool = False) -> None:
        """The run is over. Returns at once; a second call sends nothing."""
        if self._is_over:
            return
        self._is_over = True
        is_postponed = exit_code == TryAgainLater.exit_code and not is_stopped
        has_failed = exit_code != 0 and not is_postponed
        has_published = self._summary is not None and self._summary.published
        if has_failed:
            self._send_ping(str(exit_code))
        elif has_published:
            self._send_ping("")
        message = self._message(exit_code, error, has_failed)
        if message["text"]:
            self._send("webhook", self._webhook, "", json.dumps(message), "application/json")

    def wait(self) -> list[str]:
        """Warnings about messages that did not arrive, after all did or the time is over."""
        ends = time.monotonic() + PATIENCE_SECONDS
        for option, thread in self._threads:
            thread.join(max(0.0, ends - time.monotonic()))
            if thread.is_alive():
                self._failures[option] = "time-out"
        return [
            f"the {option} did not accept the message ({failure}), the run is not affected: "
            f"check --{option}"
            for option, failure in self._failures.items()
        ]

    def _send_ping(self, ending: str) -> None:
        run_id = self._summary.run_id if self._summary else ""
        self._send("ping", self._ping, ending, run_id, "text/plain")

    def _send(
        self, option: str, address: str | None, ending: str, content: str, content_type: str
    ) -> None:
        url = None if address is None else http_address(address)
        if url is None:
            return
        if ending:
            url = url.copy_with(path=f"{url.path.rstrip('/')}/{ending}")
        before = [thread for other, thread in self._threads if other == option]

        def deliver() -> None:
            for thread in before:
                thread.join()
            try:
                failure = _delivered(url, content.encode(), content_type)
            except Exception as error:
                # its text may hold the address
                failure = type(error).__name__
            if failure:
                self._failures[option] = failure

        thread = threading.Thread(target=deliver, daemon=True)
        self._threads.append((option, thread))
        thread.start()

    def _message(self, exit_code: int, error: str | None, has_failed: bool) -> dict[str, Any]:
        """What the webhook gets; without news its text is empty."""
        summary = self._summary
        published = summary if summary and summary.published else None
        new_failures = [_shown(pair) for pair in (published.new_failures if published else ())]
        rises = [_shown(rise) for rise in (published.rises if published else ())]
        error = error and without_numbers(error)
        lines = []
        if has_failed:
            lines.append(f"telnyx-jobs sync ended with exit code {exit_code}: {_quoted(error)}")
        if published and new_failures:
            lines.append(_new_kinds(new_failures, published.is_first))
        if rises:
            lines.append(_rising_rates(rises))
        return {
            "text": "\n".join(lines),
            "run_id": summary and summary.run_id,
            "database": summary and summary.database,
            "exit_code": exit_code,
            "error": error,
            "published": published is not None,
            "new_failures": new_failures,
            "rising_failures": rises,
        }


def _delivered(url: "httpx.URL", content: bytes, content_type: str) -> str | None:
    """POST until it is taken; why it was not, after the last attempt. No redirect is followed."""
    import httpx
    import tenacity

    # in a proxy's hands only where that sees no more than the host
    with httpx.Client(
        headers={"Content-Type": content_type, "User-Agent": f"telnyx-jobs/{__version__}"},
        follow_redirects=False,
        timeout=ATTEMPT_SECONDS,
        trust_env=url.scheme == "https",
    ) as client:

        def attempt() -> int | str:
            try:
                return client.post(url, content=content).status_code
            except httpx.TimeoutException:
                return "time-out"
            except httpx.HTTPError:
                return "no connection"

        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_result(_is_passing),
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            wait=tenacity.wait_exponential(0.5),
            retry_error_callback=lambda state: state.outcome and state.outcome.result(),
        )
        outcome = attempts(attempt)
    if isinstance(outcome, str):
        return outcome
    return None if 200 <= outcome < 300 else f"HTTP {outcome}"


def _is_passing(outcome: int | str) -> bool:
    """Whether a retry may succeed."""
    return isinstance(outcome, str) or outcome == 429 or outcome >= 500


def _shown(kind: Mapping[str, Any]) -> dict[str, Any]:
    """A kind of failure without phone numbers, and its rates."""
    return {
        name: without_numbers(value) if isinstance(value, str) else value
        for name, value in kind.items()
    }


def _new_kinds(new_failures: list[dict[str, Any]], is_first: bool) -> str:
    count = len(new_failures)
    kinds = "1 kind" if count == 1 else f"{count:,} kinds"
    if is_first:
        # all of them are new
        return f"telnyx-jobs: first sync, with {kinds} of failure; later syncs report new ones"
    shown = [_named(pair) for pair in new_failures]
    return f"telnyx-jobs: {kinds} of failure never seen before: {_listed(shown)}"


def _rising_rates(rises: list[dict[str, Any]]) -> str:
    shown = [
        f"{_named(rise)} from {rise['earlier_failure_rate']:.2%} "
        f"to {rise['recent_failure_rate']:.2%}"
        for rise in rises
    ]
    rates = "1 failure rate rises" if len(rises) == 1 else f"{len(rises):,} failure rates rise"
    return f"telnyx-jobs: {rates} in the newest 7 days: {_listed(shown)}"


def _named(kind: dict[str, Any]) -> str:
    code, pattern = kind["error_code"], kind["error_pointer_pattern"]
    return _quoted(f"{code or 'no code'} at {pattern or 'no pointer'}")


def _listed(shown: list[str]) -> str:
    if len(shown) > SHOWN_FAILURES:
        shown = [*shown[:SHOWN_FAILURES], f"and {len(shown) - SHOWN_FAILURES:,} more"]
    return ", ".join(shown)


def _quoted(text: str | None) -> str:
    """The text as code, in which Slack and Mattermost see no markup, link or mention.

    Spaces of no width take apart what they may look for in code too.
    """
    text = unbroken((text or "").replace("`", "'"))
    for sign, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(sign, escaped)
    for sign, parted in (("@", f"@{_GAP}"), ("://", f":{_GAP}//"), ("www.", f"www{_GAP}.")):
        text = text.replace(sign, parted)
    return f"`{text}`"
