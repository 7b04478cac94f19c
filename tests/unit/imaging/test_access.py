"""Where an ImagingStudy says that its images are."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.imaging.access import display_endpoint, retrievable, wado_endpoint

WHERE = "https://healix.test/dicomweb"


@pytest.mark.spec("SMART Imaging Access 0.1.0 StructureDefinition-smart-wado-endpoint.html")
def test_endpoint() -> None:
    """The study refers to a contained WADO-RS endpoint that needs the token with which the study was found."""
    study = retrievable({"resourceType": "ImagingStudy"}, WHERE)
    (endpoint,) = study["contained"]
    assert study["endpoint"] == [{"reference": "#wado-rs"}, {"reference": "Endpoint/wado-rs"}]
    assert (endpoint["status"], endpoint["address"]) == ("active", WHERE)
    assert endpoint["connectionType"]["code"] == "dicom-wado-rs"
    (extension,) = endpoint["extension"]
    assert extension["url"].endswith("/requires-access-token")
    assert extension["valueBoolean"] is True


def test_other_endpoints_stay() -> None:
    """What others have added stays, and an older address of our own goes."""
    other: dict[str, Any] = {"resourceType": "Endpoint", "id": "archive"}
    study = {
        "contained": [wado_endpoint("http://older.test/dicomweb"), other],
        "endpoint": [{"reference": "#wado-rs"}, {"reference": "#archive"}, {"reference": "Endpoint/e"}],
    }
    made = retrievable(study, WHERE)
    assert made["contained"] == [wado_endpoint(WHERE), other]
    assert [one["reference"] for one in made["endpoint"]] == ["#wado-rs", "Endpoint/wado-rs", "#archive", "Endpoint/e"]
    assert retrievable(made, WHERE) == made


@pytest.mark.spec("IHE RAD TF-2 4.106 Invoke Image Display")
def test_link_to_the_viewer() -> None:
    """Beside it, or no longer, stands the link with which an app shows the study to people."""
    study = retrievable({"resourceType": "ImagingStudy"}, WHERE, display_endpoint("https://healix.test", "1.2.3"))
    assert [one["reference"] for one in study["endpoint"]] == ["#wado-rs", "Endpoint/wado-rs", "#image-display"]
    link = study["contained"][1]
    assert link["connectionType"]["code"] == "ihe-iid"
    assert link["address"] == "https://healix.test/ohif/IHEInvokeImageDisplay?requestType=STUDY&studyUID=1.2.3"
    assert retrievable(study, WHERE) == retrievable({"resourceType": "ImagingStudy"}, WHERE)
