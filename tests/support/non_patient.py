"""Small objects of no patient, one of each class, with what their tables in PS3.3 require.

Spec: PS3.3 A.44, A.58, A.61 to A.63, A.82 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from tests.support.dicom import part10, uid

PLACE = 8080
STANDARD = "1.2.840.10008.5.1.4"
HANGING, PALETTE, IMPLANT = f"{STANDARD}.38.1", f"{STANDARD}.39.1", f"{STANDARD}.43.1"
ASSEMBLY, GROUP = f"{STANDARD}.44.1", f"{STANDARD}.45.1"
CT_PROTOCOL, APPROVAL, XA_PROTOCOL = (f"{STANDARD}.1.1.200.{number}" for number in (1, 3, 7))
INVENTORY = f"{STANDARD}.1.1.201.1"
TABLE = bytes(range(256)) * 2
"""A table of 256 colours, 16 bits each."""


def instance(number: int) -> str:
    """The UID of an object."""
    return uid(PLACE, number)


def item(**elements: Any) -> Dataset:
    """A data set of these elements."""
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def code(value: str, scheme: str = "SCT") -> Dataset:
    """An item of a code."""
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=f"meaning of {value}")


def _object(sop_class: str, number: int, others: Mapping[str, Any], **usual: Any) -> Dataset:
    """An object of the `usual` elements, and of `others` instead of them."""
    own = {"SOPClassUID": sop_class, "SOPInstanceUID": instance(number), "SpecificCharacterSet": "ISO_IR 192"}
    return item(**own | usual | dict(others))


def hanging(number: int, name: str = "MammoScreening", **elements: Any) -> Dataset:
    """A hanging protocol for mammography and, in another item, for CT of the chest."""
    definition = [
        item(Modality="MG", Laterality="R", AnatomicRegionSequence=[code("76752008")],
             ProcedureCodeSequence=[code("X1")], ReasonForRequestedProcedureCodeSequence=[]),
        item(Modality="CT", Laterality="L", AnatomicRegionSequence=[code("51185008")], ProcedureCodeSequence=[],
             ReasonForRequestedProcedureCodeSequence=[]),
    ]  # fmt: skip
    return _object(
        HANGING, number, elements,
        HangingProtocolName=name, HangingProtocolDescription="Two by two", HangingProtocolLevel="SITE",
        HangingProtocolCreator="Ines", HangingProtocolCreationDateTime="20260701101500",
        HangingProtocolDefinitionSequence=definition, NumberOfPriorsReferenced=1,
        HangingProtocolUserIdentificationCodeSequence=[], HangingProtocolUserGroupName="Breast",
        NumberOfScreens=2, NominalScreenDefinitionSequence=[item(NumberOfVerticalPixels=2048,
        NumberOfHorizontalPixels=1536, DisplayEnvironmentSpatialPosition=[0.0, 1.0, 0.5, 0.0],
        ScreenMinimumGrayscaleBitDepth=8)],
        ImageSetsSequence=[], DisplaySetsSequence=[], PartialDataDisplayHandling="MAINTAIN_LAYOUT",
    )  # fmt: skip


def palette(number: int, label: str = "HOT_IRON", **elements: Any) -> Dataset:
    """A colour palette, whose tables are bulk data in its metadata."""
    table = TABLE * 4
    return _object(
        PALETTE, number, elements,
        ContentLabel=label, ContentDescription="Hot iron", ContentCreatorName="Doe^Jo",
        RedPaletteColorLookupTableDescriptor=[1024, 0, 16], GreenPaletteColorLookupTableDescriptor=[1024, 0, 16],
        BluePaletteColorLookupTableDescriptor=[1024, 0, 16], PaletteColorLookupTableUID=uid(9),
        RedPaletteColorLookupTableData=table, GreenPaletteColorLookupTableData=table,
        BluePaletteColorLookupTableData=table,
    )  # fmt: skip


def implant(number: int, name: str = "Hip stem", **elements: Any) -> Dataset:
    """A generic implant template."""
    return _object(
        IMPLANT, number, elements,
        Manufacturer="Acme Ortho", ImplantName=name, ImplantSize="12", ImplantPartNumber="H-12",
        EffectiveDateTime="20260101", FrameOfReferenceUID=uid(PLACE, 99), ImplantTemplateVersion="1",
        ReplacedImplantTemplateSequence=[], ImplantType="ORIGINAL", MaterialsCodeSequence=[code("261192006")],
        CoatingMaterialsCodeSequence=[], ImplantTargetAnatomySequence=[item(AnatomicRegionSequence=[code("24136001")])],
    )  # fmt: skip


def assembly(number: int) -> Dataset:
    """An implant assembly template."""
    return _object(
        ASSEMBLY, number, {}, ImplantAssemblyTemplateName="Hip", Manufacturer="Acme Ortho",
        ImplantAssemblyTemplateVersion="1", ImplantAssemblyTemplateType="ORIGINAL", ComponentTypesSequence=[],
        ProcedureTypeCodeSequence=[code("52734007")], SurgicalTechnique="lateral",
    )  # fmt: skip


def group(number: int) -> Dataset:
    """An implant template group."""
    return _object(
        GROUP, number, {}, ImplantTemplateGroupName="Stems", ImplantTemplateGroupIssuer="Acme Ortho",
        EffectiveDateTime="20260101", ImplantTemplateGroupMembersSequence=[],
    )  # fmt: skip


def protocol(number: int, sop_class: str = CT_PROTOCOL, **elements: Any) -> Dataset:
    """A defined procedure protocol."""
    specification = [
        item(Manufacturer="Acme Imaging", ManufacturerModelName="Scan 64", SoftwareVersions=["1.0", "1.1"])
    ]
    return _object(
        sop_class, number, elements,
        ProtocolName="Routine Head", InstanceCreationDate="20260705", InstanceCreationTime="120000",
        EquipmentModality="CT" if sop_class == CT_PROTOCOL else "XA", ModelSpecificationSequence=specification,
        ContentCreatorName="Müller^Ines", PotentialScheduledProtocolCodeSequence=[code("P1", "99ACME")],
        PotentialRequestedProcedureCodeSequence=[code("24725-4", "LN")], CustodialOrganizationSequence=[],
        ResponsibleGroupCodeSequence=[],
    )  # fmt: skip


def approval(number: int) -> Dataset:
    """The approval of the first protocol."""
    subject = [item(ReferencedSOPClassUID=CT_PROTOCOL, ReferencedSOPInstanceUID=instance(6))]
    given = [item(AssertionCodeSequence=[code("128603", "DCM")], AssertionUID=uid(PLACE, 77), AssertionDateTime="2026")]
    return _object(
        APPROVAL, number, {}, InstanceCreationDate="20260706", InstanceCreationTime="0800",
        ApprovalSubjectSequence=subject, ApprovalSequence=given,
    )  # fmt: skip


EACH: Mapping[str, tuple[Dataset, ...]] = {
    "hanging-protocols": (hanging(1),),
    "color-palettes": (palette(2),),
    "implant-templates": (implant(3), assembly(4), group(5)),
    "defined-procedure-protocols": (protocol(6), protocol(7, XA_PROTOCOL)),
    "protocol-approvals": (approval(8),),
}
"""An object of each class, by the name of its resource."""


def file_of(dataset: Dataset, syntax: str | None = None) -> bytes:
    """Its Part 10 file."""
    return part10(dataset) if syntax is None else part10(dataset, syntax)


def implicit_file(dataset: Dataset) -> bytes:
    """Its file in implicit VR."""
    return file_of(dataset, ImplicitVRLittleEndian)
