"""Bodies of Telnyx's requests for new jobs, as its specification allows them. Nothing is sent.

Source: https://developers.telnyx.com/api-reference/bulk-phone-number-operations
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

PATHS = {
    job_type: f"/phone_numbers/jobs/{job_type}"
    for job_type in ("update_phone_numbers", "delete_phone_numbers", "update_emergency_settings")
}
"""Where a job of a type is created."""


class Unusable(Exception):
    """Why no request can be made again from what is known."""


_Targets = Annotated[list[str], msgspec.Meta(min_length=1, max_length=1_000)]


class _CallForwarding(msgspec.Struct):
    call_forwarding_enabled: bool = True
    forwarding_type: Literal["always", "on-failure"] = "always"
    forwards_to: str = ""


class _CallRecording(msgspec.Struct):
    inbound_call_recording_channels: Literal["single", "dual"] = "single"
    inbound_call_recording_enabled: bool = False
    inbound_call_recording_format: Literal["wav", "mp3"] = "wav"


class _CnamListing(msgspec.Struct):
    cnam_listing_details: str = ""
    cnam_listing_enabled: bool = False


class _MediaFeatures(msgspec.Struct):
    accept_any_rtp_packets_enabled: bool = False
    rtp_auto_adjust_enabled: bool = False
    t38_fax_gateway_enabled: bool = False


class _Voice(msgspec.Struct):
    call_forwarding: _CallForwarding | None = None
    call_recording: _CallRecording | None = None
    caller_id_name_enabled: bool = False
    cnam_listing: _CnamListing | None = None
    inbound_call_screening: Literal["disabled", "reject_calls", "flag_calls"] = "disabled"
    media_features: _MediaFeatures | None = None
    tech_prefix_enabled: bool = False
    translated_number: str = ""
    usage_payment_method: Literal["pay-per-minute", "channel"] = "pay-per-minute"


class _Update(msgspec.Struct):
    phone_numbers: _Targets
    billing_group_id: str = ""
    connection_id: str = ""
    customer_reference: str = ""
    deletion_lock_enabled: bool = False
    hd_voice_enabled: bool = False
    tags: list[str] = []
    voice: _Voice | None = None


class _Delete(msgspec.Struct):
    phone_numbers: _Targets


class _Emergency(msgspec.Struct):
    phone_numbers: _Targets
    emergency_enabled: bool
    emergency_address_id: str | None = None


_BODIES = dict(zip(PATHS, (_Update, _Delete, _Emergency), strict=True))
_MAY_BE_NULL = {"/emergency_address_id"}


def without_nulls(job_type: str | None, parameters: Any) -> tuple[dict[str, Any], set[str]]:
    """The settings among a job's parameters, and pointers of the nulls that are left out of them.

    Telnyx shows null for a parameter that was sent empty, and refuses it in a request. Raises
    Unusable.
    """
    if job_type not in PATHS:
        raise Unusable("its job has no type that requests can be made of")
    kept = dict(parameters) if isinstance(parameters, Mapping) else {}
    kept.pop("phone_numbers", None)
    if job_type == "delete_phone_numbers":
        return {}, set()
    if not kept:
        raise Unusable("Telnyx shows no parameters of its job")
    nulls: set[str] = set()
    settings = _pruned(kept, "", nulls)
    if not settings:
        raise Unusable("the parameters of its job are null, which a request must not be")
    return settings, nulls


def request_body(
    job_type: str | None, settings: Mapping[str, Any], targets: Sequence[str]
) -> dict[str, Any]:
    """The body of a request. Raises Unusable where Telnyx's specification does not allow it."""
    body = {**settings, "phone_numbers": list(targets)}
    try:
        msgspec.convert(body, _BODIES[str(job_type)])
    except msgspec.ValidationError as error:
        raise Unusable(f"Telnyx does not allow the parameters of its job ({error})") from None
    return body


def _pruned(value: Mapping[str, Any], pointer: str, nulls: set[str]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, item in value.items():
        at = f"{pointer}/{name}"
        if item is None and at not in _MAY_BE_NULL:
            nulls.add(at)
        else:
            kept[name] = _pruned(item, at, nulls) if isinstance(item, Mapping) else item
    return kept
