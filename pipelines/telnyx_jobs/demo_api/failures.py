"""What fails in the demo account: the errors of its failed operations.

Codes, titles and most details in `faults.csv` are those of Telnyx's catalogue,
https://developers.telnyx.com/development/api-fundamentals/api-errors. Telnyx does not document
which of them a job's operation carries, nor with which pointer: that is chosen here. An error
points at a parameter only in jobs that sent this parameter.
"""

import csv
from pathlib import Path
from typing import Any, NamedTuple

Json = dict[str, Any]

UPDATE = "update_phone_numbers"
EMERGENCY = "update_emergency_settings"
DELETE = "delete_phone_numbers"

ERROR_PAGE = "https://developers.telnyx.com/docs/overview/errors/{}"


class Fault(NamedTuple):
    """One entry of `errors`; what is None is left out.

    `{position}` in a pointer stands for the number's place in the request, from 0. `recovery` is
    the share of retries that succeed, for a fault that no changed parameter can fix.
    """

    code: str | None
    title: str
    detail: str
    pointer: str | None = None
    parameter: str | None = None
    has_page: bool = True
    recovery: float = 0.7

    @property
    def sent_at(self) -> str | None:
        """The pointer, if it names a parameter of the whole job."""
        is_of_number = self.pointer and self.pointer.startswith("/phone_numbers/{position}")
        return None if is_of_number or self.pointer == "/base" else self.pointer

    def as_json(self, position: int) -> Json:
        """The error as the API writes it for the number at `position`."""
        source: dict[str, str] = {}
        if self.pointer is not None:
            source["pointer"] = self.pointer.format(position=position)
        if self.parameter is not None:
            source["parameter"] = self.parameter
        return {
            **({"code": self.code} if self.code is not None else {}),
            "title": self.title,
            "detail": self.detail,
            **({"source": source} if source else {}),
            **({"meta": {"url": ERROR_PAGE.format(self.code)}} if self.has_page else {}),
        }


# all errors of one failed operation: mostly one, sometimes two, rarely none
Failure = tuple[Fault, ...]


def _catalogue() -> dict[str, Fault]:
    """The faults of `faults.csv` by their names there."""
    with Path(__file__).with_name("faults.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["name"]: Fault(
                row["code"] or None,
                row["title"],
                row["detail"],
                row["pointer"] or None,
                row["parameter"] or None,
                has_page=row["has_page"] != "no",
                recovery=float(row["recovery"] or Fault._field_defaults["recovery"]),
            )
            for row in csv.DictReader(file)
        }


_FAULTS = _catalogue()


def _failure(*names: str) -> Failure:
    return tuple(_FAULTS[name] for name in names)


# per job type: how often, relative to the others, and what
USUAL: dict[str, tuple[tuple[int, Failure], ...]] = {
    UPDATE: (
        (14, _failure("busy")),
        (10, _failure("not_found")),
        (8, _failure("connection")),
        (6, _failure("tags")),
        (7, _failure("forward_invalid", "forward_not_e164")),
        (5, _failure("not_permitted")),
        (4, _failure("unexpected")),
        (2, _failure("nameless")),
        (2, ()),
    ),
    EMERGENCY: (
        (10, _failure("busy")),
        (8, _failure("postal_code")),
        (8, _failure("address_id")),
        (8, _failure("locality", "postal_code")),
        (6, _failure("address_id_as_parameter")),
        (4, _failure("unavailable")),
        (2, ()),
    ),
    DELETE: (
        (20, _failure("in_use")),
        (12, _failure("locked")),
        (10, _failure("busy")),
        (6, _failure("not_found")),
    ),
}

# errors of the numbers that fail whatever is asked of them
BAD_NUMBER = tuple(map(_failure, ("busy", "not_found", "locked")))

# what fails a whole job: a wrong setting for all its numbers, or an account out of funds
WHOLE_JOB = {
    UPDATE: _failure("no_connection"),
    EMERGENCY: _failure("inactive"),
    DELETE: _failure("inactive"),
}


class Strike(NamedTuple):
    """A fault that strikes jobs of a type at times, and the value at its pointer that causes it."""

    job_type: str
    fault: Fault
    sent: str | bool | None = None


# often for some days, rare for weeks
WAVES = (
    Strike(UPDATE, _FAULTS["connection"]),
    Strike(EMERGENCY, _FAULTS["address_id"]),
    Strike(UPDATE, _FAULTS["billing_group"]),
    Strike(EMERGENCY, _FAULTS["street"]),
    Strike(UPDATE, _FAULTS["tags"]),
)
# seen for some days only, one after another
INCIDENTS = (
    Strike(UPDATE, _FAULTS["caller_data"], "Orchard Schools, Main Office"),
    Strike(EMERGENCY, _FAULTS["borough"]),
    Strike(UPDATE, _FAULTS["payment_method"], "per-minute"),
    Strike(EMERGENCY, _FAULTS["administrative_area"]),
    Strike(UPDATE, _FAULTS["reference_length"], ""),
    Strike(EMERGENCY, _FAULTS["country_code"]),
    Strike(UPDATE, _FAULTS["feature_limited"], True),
    Strike(EMERGENCY, _FAULTS["neighborhood"]),
    Strike(UPDATE, _FAULTS["missing_association"], "00000000-0000-4000-8000-000000000000"),
    Strike(EMERGENCY, _FAULTS["house_number"]),
    Strike(UPDATE, _FAULTS["funds"], True),
    Strike(EMERGENCY, _FAULTS["extended_address"]),
    Strike(UPDATE, _FAULTS["screening"], "block"),
    Strike(EMERGENCY, _FAULTS["timeout"]),
    Strike(UPDATE, _FAULTS["channels"], "stereo"),
    Strike(EMERGENCY, _FAULTS["not_enabled"]),
)
