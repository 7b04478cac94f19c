"""pydicom's DICOM JSON, brought to the form that ours has, so that the two can be compared."""

from __future__ import annotations

import math
from typing import Any

from pydicom.dataset import Dataset

INLINE = 1368
"""The largest inline value, which pydicom measures in base64: 1024 bytes."""


def expected(ds: Dataset) -> dict[str, Any]:
    """The JSON that pydicom makes of a data set, with bulk data by reference from the same size on."""
    return ds.to_json_dict(
        bulk_data_threshold=INLINE, bulk_data_element_handler=lambda element: "bulk", suppress_invalid_tags=False
    )


def normal(model: dict[str, Any]) -> dict[str, Any]:
    """The model without what differs on purpose.

    Group lengths are not part of the model (PS3.18 F.2.2). Specific Character Set says UTF-8, since that is what the
    text is now. Bulk data URIs are alike. Spaces at the end of a value are padding (PS3.5 6.2), of all its values and
    not of the last only. What has no number in JSON is a string, an empty component group of a name is left out.
    """
    return {tag: _attribute(tag, attribute) for tag, attribute in model.items() if not tag.endswith("0000")}


def _attribute(tag: str, attribute: dict[str, Any]) -> dict[str, Any]:
    if tag == "00080005":
        return {"vr": "CS"}
    if "BulkDataURI" in attribute or tag == "7FE00010":
        return {"vr": attribute["vr"], "bulk": True}
    if attribute["vr"] == "SQ":
        return {"vr": "SQ", "Value": [normal(item) for item in attribute.get("Value", [])]}
    values = [_value(value) for value in attribute.get("Value", [])]
    found: dict[str, Any] = {"vr": attribute["vr"], "Value": values}
    if "InlineBinary" in attribute:
        found["InlineBinary"] = attribute["InlineBinary"]
    return found


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: group for key, group in value.items() if group} or None
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else value if math.isfinite(value) else "inf" if value > 0 else "-inf"
    return value.rstrip() or None if isinstance(value, str) else value
