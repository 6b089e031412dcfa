"""What schemathesis cannot know: which refusals of schema-valid requests are right, and why.

Loaded by schemathesis itself, through `schemathesis.toml`.
"""

import re
from typing import Any

import schemathesis
from schemathesis.specs.openapi.checks import positive_data_acceptance

# Reasons that depend on what is stored.
OF_STATE = {
    "PAGE_TOKEN_INVALID": "a page token is good for the list, the filter and the caller that it was made for",
    "STATUS_CONFLICT": "a partner goes from one status to some others only",
    "STATE_CONFLICT": "a job goes from one state to some others only",
    "PARTNER_NOT_ACTIVE": "links are made for ACTIVE partners",
    "PRODUCT_NOT_FOUND": "the product has to be on sale",
    "DESTINATION_NOT_ALLOWED": "which hosts links may lead to is a setting of the program",
    "CODE_RESERVED": "some words are no codes, a list that may grow",
    "UPLOAD_MISSING": "a picture is uploaded before it is processed",
    "TYPE_NOT_ALLOWED": "which types of pictures are taken is a list that may grow",
    "VARIANT_UNKNOWN": "which variants a name stands for is a setting",
}

# Fields whose rules are about more than their own text.
BEYOND_THE_FIELD = {
    r"(end|start)": "a period ends after it starts, and has at most 400 days",
    r"interval": "how many intervals a period may have",
    r"timezone": "which zones there are changes with the world",
    r"expiresAt": "an expiry lies in the future",
    r"(commission|defaultCommission)": "what a commission needs depends on its type",
    r"variants\[\d+\]\.isDefault": "one variant at most is the default",
    r"variants\[\d+\]\.sku": "unique within the product",
    r"products\[\d+\]\.productId": "a product stands once in a batch",
    r"partnerId": "admins name the partner of a link, partners name nobody but themselves",
    r"destinationUrl": "needed without a product",
    r"timeZone": "which zones there are changes with the world",
    r"payload(\..*)?": "what a payload must hold depends on the job's task",
    r"task": "needed with a payload",
    r"(filename|entityId)": "no control or direction characters, a rule that schemas cannot say",
    r"(mediaId|entityType)": "needed instead of a key, and with an entity id",
    r"variants": "each variant is named once",
    r"variants\[\d+\]\.width": "needed without a height",
    r"clickIdParameter": "not a name that the destination has already",
    r"": "how many more errors there are than a problem document can name",
}

# Members of an event whose rules are about more than their own text, and reasons that no schema can say.
BEYOND_THE_MEMBER = {
    "id": "a UUIDv7 is dated within the time that events are kept",
    "timestamp": "not older than the events that are kept",
    "metadata": "depth and size are bounded",
}
BEYOND_EVENT_SCHEMAS = {
    "unstorable": "PostgreSQL keeps no NUL character",
    "too_long": "urls are measured in bytes",
}


@schemathesis.check
def valid_data_is_accepted(ctx: Any, response: Any, case: Any) -> bool | None:
    """A schema-valid request is refused for the reasons above alone; a link that has ended may be gone."""
    if response.status_code == 400 and _is_beyond_schemas(response.json(), case):
        return None
    if response.status_code == 410 and case.operation.path == "/l/{code}":
        return None
    verdict: bool | None = positive_data_acceptance(ctx, response, case)
    return verdict


def _is_beyond_schemas(problem: dict[str, Any], case: Any) -> bool:
    if problem.get("reason") in OF_STATE:
        return True
    if "rejected" in problem:
        return all(_is_beyond_event_schemas(rejection, case) for rejection in problem["rejected"])
    fields = [error["field"] for error in problem.get("errors", ())]
    return bool(fields) and all(_is_beyond_its_schema(field, case) for field in fields)


def _is_beyond_event_schemas(rejection: dict[str, Any], case: Any) -> bool:
    # Events of a batch are judged one by one, whatever its schema says; and any text is one.
    is_batch = not isinstance(case.body, dict) or "events" in case.body
    member = rejection["field"].partition(".")[0]
    return is_batch or member in BEYOND_THE_MEMBER or rejection["reason"] in BEYOND_EVENT_SCHEMAS


def _is_beyond_its_schema(field: str, case: Any) -> bool:
    # A field that the mask names and the body leaves out is to be cleared, which some cannot be.
    named = case.body if isinstance(case.body, dict) else {}
    cleared = "updateMask" in (case.query or {}) and field.partition(".")[0] not in named
    return cleared or any(re.fullmatch(rule, field) for rule in BEYOND_THE_FIELD)
