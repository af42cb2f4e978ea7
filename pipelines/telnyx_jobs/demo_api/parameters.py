"""What the demo account asks of its numbers: the `parameters` of its jobs, as Telnyx saves them.

Every documented key occurs; values of false and null are kept. The account works for some
customers, each with a connection, a billing group and an emergency address of its own.
"""

from functools import cache
from random import Random
from typing import NamedTuple
from uuid import UUID

from telnyx_jobs.demo_api.failures import DELETE, EMERGENCY, Fault, Json
from telnyx_jobs.demo_api.numbers import US_NUMBERS, phone_number

_REFERENCES = (
    *("Harbor Clinics", "Juniper Hotels", "Kestrel Logistics", "Lumen Dental"),
    *("Maple Credit Union", "Orchard Schools", "Pelican Taxis", "Quarry Media"),
)


class Customer(NamedTuple):
    """Whom a job is for: what its parameters say wherever they name somebody."""

    reference: str
    connection_id: str
    billing_group_id: str
    address_id: str


@cache
def customers(seed: int) -> tuple[Customer, ...]:
    """The customers of an account."""
    random = Random(f"{seed}/customers")
    return tuple(
        Customer(
            reference,
            f"12{random.randrange(10**17):017}",
            str(UUID(int=random.getrandbits(128), version=4)),
            f"18{random.randrange(10**17):017}",
        )
        for reference in _REFERENCES
    )


def drawn_settings(job_type: str, customer: Customer, *, is_whole: bool, random: Random) -> Json:
    """The settings that a job gives to its numbers; `is_whole` leaves none of them out."""
    if job_type == DELETE:
        return {}
    if job_type == EMERGENCY:
        is_enabled = is_whole or random.random() < 0.8
        address_id = customer.address_id if is_enabled else None
        return {"emergency_enabled": is_enabled, "emergency_address_id": address_id}
    tags: Json = random.choice(
        (
            {"add_tags": random.choice((["prod"], ["prod", "west"], ["pilot"]))},
            {"add_tags": ["prod"], "remove_tags": ["pilot"]},
            {"tags": []},
            {"tags": ["prod", "moved by the migration of all numbers in this region"]},
        )
    )
    choices: list[tuple[float, Json]] = [
        (0.9, {"customer_reference": customer.reference}),
        (0.8, {"connection_id": customer.connection_id}),
        (0.6, {"billing_group_id": customer.billing_group_id}),
        (0.5, tags),
        (0.5, {"voice": _voice(random)}),
        (0.3, {"hd_voice_enabled": random.random() < 0.7}),
    ]
    extras: list[tuple[float, Json]] = [
        (0.3, {"deletion_lock_enabled": random.random() < 0.5}),
        # with letters, so that a search for it finds nothing else
        (0.1, {"external_pin": f"QZ{random.randrange(10**6):06}"}),
    ]
    if not is_whole:
        extras.append((0.1, {"billing_group_id": None}))
    chosen = [(1.0, setting) for _, setting in choices] if is_whole else choices
    settings: Json = {}
    for likelihood, setting in [*chosen, *extras]:
        if random.random() < likelihood:
            settings |= setting
    return settings or {"customer_reference": customer.reference}


def _voice(random: Random) -> Json:
    forwarded = random.random() < 0.7
    return {
        "call_forwarding": {
            "call_forwarding_enabled": forwarded,
            "forwarding_type": random.choice(("always", "on-failure")),
            "forwards_to": phone_number(random.randrange(US_NUMBERS)),
        },
        "call_recording": {
            "inbound_call_recording_channels": random.choice(("single", "dual")),
            "inbound_call_recording_enabled": random.random() < 0.3,
            "inbound_call_recording_format": random.choice(("wav", "mp3")),
            "record_continue_on_hold": False,
        },
        "caller_id_name_enabled": random.random() < 0.5,
        "cnam_listing": {"cnam_listing_details": "MAIN OFFICE", "cnam_listing_enabled": False},
        "inbound_call_screening": random.choice(("disabled", "flag_calls")),
        "media_features": {
            "accept_any_rtp_packets_enabled": False,
            "rtp_auto_adjust_enabled": True,
            "t38_fax_gateway_enabled": False,
        },
        "tech_prefix_enabled": False,
        "usage_payment_method": random.choice(("pay-per-minute", "channel")),
    }


def with_value(settings: Json, pointer: str, value: object) -> Json:
    """The settings with this value at the pointer, whose parts are all names."""
    name, _, rest = pointer.removeprefix("/").partition("/")
    inner = with_value(settings.get(name, {}), rest, value) if rest else value
    return settings | {name: inner}


def is_sent(fault: Fault, settings: Json) -> bool:
    """Whether the parameter that the fault points at, if any, was sent with a value."""
    if fault.sent_at is None:
        return True
    value: object = settings
    for name in fault.sent_at.split("/")[1:]:
        value = value.get(name) if isinstance(value, dict) else None
    return value is not None


def request(settings: Json, operations: list[Json], *, is_kept: bool, random: Random) -> Json:
    """`phone_numbers` and `parameters`: what was asked for, by id, by number or by both.

    Telnyx shows an empty object for jobs older than its record of the arguments: not `is_kept`.
    """
    share_by_id = random.choice((0.0, 0.0, 1.0, 0.4))
    as_integers = random.random() < 0.5
    asked: list[Json] = []
    targets: list[str | int] = []
    for operation in operations:
        key = "id" if random.random() < share_by_id else "phone_number"
        value = operation[key]
        asked.append({key: value})
        targets.append(int(value) if key == "id" and as_integers else value)
    parameters = {**settings, "phone_numbers": targets} if is_kept else {}
    return {"phone_numbers": asked, "parameters": parameters}
