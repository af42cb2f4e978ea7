"""What fails in the demo account: the errors of its failed operations.

Codes, titles and most details are those of Telnyx's catalogue,
https://developers.telnyx.com/development/api-fundamentals/api-errors. Telnyx does not document
which of them a job's operation carries, nor with which pointer: that is chosen here. An error
points at a parameter only in jobs that sent this parameter.
"""

from typing import Any, NamedTuple

Json = dict[str, Any]

UPDATE = "update_phone_numbers"
EMERGENCY = "update_emergency_settings"
DELETE = "delete_phone_numbers"

ERROR_PAGE = "https://developers.telnyx.com/docs/overview/errors/{}"
_OF_NUMBER = "/phone_numbers/{position}"


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
        is_of_job = self.pointer not in (None, "/base") and not str(self.pointer).startswith(
            _OF_NUMBER
        )
        return self.pointer if is_of_job else None

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

_NOT_FOUND = Fault(
    "10005",
    "Resource not found",
    "The requested resource or URL could not be found.",
    "/base",
    recovery=0.05,
)
_BUSY = Fault(
    "10036",
    "Resource is being processed",
    "This resource is in ongoing processing and it can't be interacted with. "
    "Please, wait for its operation to finish and retry later.",
    "/base",
    recovery=0.95,
)
_LOCKED = Fault(
    "10035",
    "Resource locked",
    "The resource has been locked. Contact Telnyx support.",
    "/base",
    recovery=0.1,
)
_INACTIVE = Fault(
    "20012",
    "Account inactive",
    "The request cannot be fulfilled because your account has been deactivated. "
    "It may be out of funds.",
    "/base",
)
_CONNECTION = Fault(
    "85004",
    "Invalid connection id provided",
    "The connection id provided is invalid.",
    "/connection_id",
)
_NO_CONNECTION = Fault(
    "10010",
    "Authorization failed",
    "The specified connection either does not exist or is not part of your account",
    "/connection_id",
)
_BILLING_GROUP = Fault(
    "10010",
    "Authorization failed",
    "The specified billing group either does not exist or is not part of your account",
    "/billing_group_id",
)
_TAGS = Fault("10015", "Bad Request", "The tag is too long.", f"{_OF_NUMBER}/tags")
_FORWARDS_TO = "/voice/call_forwarding/forwards_to"
_FORWARD_INVALID = Fault("10015", "Bad Request", "The field is invalid.", _FORWARDS_TO)
_FORWARD_NOT_E164 = Fault(
    "10016",
    "Phone number must be in +E.164 format",
    "The specified phone number parameter must be in +E.164 format.",
    _FORWARDS_TO,
)
_NOT_PERMITTED = Fault(
    "10038",
    "Feature not permitted",
    "This feature is not permitted at this account level.",
    "/hd_voice_enabled",
)
_UNEXPECTED = Fault(
    *("10007", "Unexpected error"),
    "An unexpected error occured.",  # Telnyx's spelling; codespell:ignore occured
    has_page=False,
)
_NAMELESS = Fault(
    None, "Carrier rejected the request", "No reason was given.", "/base", has_page=False
)
_ADDRESS_ID = Fault("10015", "Bad Request", "The field is invalid.", "/emergency_address_id")
_ADDRESS_ID_AS_PARAMETER = Fault(
    "10017",
    "Associated resource does not exist",
    "The requested parameter is invalid as the associated resource does not exist.",
    parameter="emergency_address_id",
)
_UNAVAILABLE = Fault("10037", "Service unavailable", "Service is unavailable.", has_page=False)
_IN_USE = Fault(
    "10021",
    "Resource in use",
    "The resource can not be removed as it is still in use.",
    _OF_NUMBER,
)


def _address(code: str, part: str) -> Fault:
    """An address part that Telnyx refuses; `part` in Telnyx's words."""
    detail = f"The {part} provided is invalid."
    return Fault(code, f"Invalid {part}", detail, "/emergency_address_id")


_LOCALITY = _address("20202", "locality")
_POSTAL_CODE = _address("20205", "postal code")
_STREET = _address("20207", "street address")

# per job type: how often, relative to the others, and what
USUAL: dict[str, tuple[tuple[int, Failure], ...]] = {
    UPDATE: (
        (14, (_BUSY,)),
        (10, (_NOT_FOUND,)),
        (8, (_CONNECTION,)),
        (6, (_TAGS,)),
        (7, (_FORWARD_INVALID, _FORWARD_NOT_E164)),
        (5, (_NOT_PERMITTED,)),
        (4, (_UNEXPECTED,)),
        (2, (_NAMELESS,)),
        (2, ()),
    ),
    EMERGENCY: (
        (10, (_BUSY,)),
        (8, (_POSTAL_CODE,)),
        (8, (_ADDRESS_ID,)),
        (8, (_LOCALITY, _POSTAL_CODE)),
        (6, (_ADDRESS_ID_AS_PARAMETER,)),
        (4, (_UNAVAILABLE,)),
        (2, ()),
    ),
    DELETE: ((20, (_IN_USE,)), (12, (_LOCKED,)), (10, (_BUSY,)), (6, (_NOT_FOUND,))),
}

# errors of the numbers that fail whatever is asked of them
BAD_NUMBER: tuple[Failure, ...] = ((_BUSY,), (_NOT_FOUND,), (_LOCKED,))

# what fails a whole job: a wrong setting for all its numbers, or an account out of funds
WHOLE_JOB: dict[str, Failure] = {
    UPDATE: (_NO_CONNECTION,),
    EMERGENCY: (_INACTIVE,),
    DELETE: (_INACTIVE,),
}


class Wave(NamedTuple):
    """A fault that comes back: often for some days, rare for weeks."""

    job_type: str
    fault: Fault


WAVES = (
    Wave(UPDATE, _CONNECTION),
    Wave(EMERGENCY, _ADDRESS_ID),
    Wave(UPDATE, _BILLING_GROUP),
    Wave(EMERGENCY, _STREET),
    Wave(UPDATE, _TAGS),
)


class Incident(NamedTuple):
    """A fault seen for some days only, and the value at its pointer that causes it."""

    job_type: str
    fault: Fault
    sent: str | bool | None = None


# one after another, each for a while
INCIDENTS = (
    Incident(
        UPDATE,
        Fault(
            "10700",
            "Invalid caller data",
            "The CNAM caller data provided is invalid.",
            "/voice/cnam_listing/cnam_listing_details",
        ),
        "Orchard Schools, Main Office",
    ),
    Incident(EMERGENCY, _address("20206", "borough")),
    Incident(
        UPDATE,
        Fault(
            "10032",
            "Invalid enumerated value",
            "The value must be one of: pay-per-minute, channel.",
            "/voice/usage_payment_method",
        ),
        "per-minute",
    ),
    Incident(EMERGENCY, _address("20204", "administrative area")),
    Incident(
        UPDATE,
        Fault(
            "10025",
            "String length out of range",
            "The field must be between 1 and 250 characters long.",
            "/customer_reference",
        ),
        "",
    ),
    Incident(EMERGENCY, _address("20201", "country code")),
    Incident(
        UPDATE,
        Fault(
            "10039",
            "Feature limited",
            "A limit for this feature has been reached at this account level.",
            "/voice/call_recording/inbound_call_recording_enabled",
        ),
        True,
    ),
    Incident(EMERGENCY, _address("20203", "neighborhood")),
    Incident(
        UPDATE,
        Fault(
            "10013",
            "Missing association",
            "One of the associated fields does not exist.",
            "/billing_group_id",
        ),
        "00000000-0000-4000-8000-000000000000",
    ),
    Incident(EMERGENCY, _address("20208", "street address house number")),
    Incident(
        UPDATE,
        Fault(
            "20100",
            "Insufficient Funds",
            "You do not have enough funds to perform this action.",
            "/voice/cnam_listing/cnam_listing_enabled",
        ),
        True,
    ),
    Incident(EMERGENCY, _address("20209", "extended address")),
    Incident(
        UPDATE,
        Fault(
            "10032",
            "Invalid enumerated value",
            "The value must be one of: disabled, reject_calls, flag_calls.",
            "/voice/inbound_call_screening",
        ),
        "block",
    ),
    Incident(
        EMERGENCY,
        Fault("10008", "Request timeout", "The request timed out.", "/base", recovery=1.0),
    ),
    Incident(
        UPDATE,
        Fault(
            "10033",
            "Value outside of range",
            "The value is outside of allowed range.",
            "/voice/call_recording/inbound_call_recording_channels",
        ),
        "stereo",
    ),
    Incident(
        EMERGENCY,
        Fault(
            "20015",
            "Feature not enabled",
            "The emergency feature is not enabled on your account.",
            "/emergency_enabled",
        ),
    ),
)
