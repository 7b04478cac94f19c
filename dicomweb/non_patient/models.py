"""The information models of objects that are of no patient, and under which name DICOMweb has each.

The attributes of a model are those that its table names, on the outermost level: by them, and by what is in their
sequences, objects are searched, and they are told of each match.

Spec: PS3.18 Table 12.1.1-1 (2024d), protocol-approvals as CP-2551 has it; PS3.4 Table GG.3-1, Tables U.6-1, X.6-1,
BB.6-1 to BB.6-3, HH.6-1 and II.6-1 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

COMMON = {"00080016": "SOPClassUID", "00080018": "SOPInstanceUID"}
INVENTORY = "1.2.840.10008.5.1.4.1.1.201.1"
"""Inventory Storage: what an archive has, as a file; these are not kept."""


@dataclass(frozen=True, slots=True)
class Model:
    """An information model: the `word` that DICOMweb has for it, its storage classes, the SOP classes of C-FIND, C-MOVE
    and C-GET, and its attributes, keywords by tag.
    """

    name: str
    word: str
    classes: frozenset[str]
    find: str
    move: str
    get: str
    attributes: Mapping[str, str]


def _model(name: str, word: str, classes: tuple[str, ...], root: str, first: int, own: dict[str, str]) -> Model:
    """The three services of a model have consecutive numbers below `root`."""
    find, move, get = (f"{root}.{first + number}" for number in range(3))
    return Model(name, word, frozenset(classes), find, move, get, dict(sorted((COMMON | own).items())))


STANDARD = "1.2.840.10008.5.1.4"
MODELS = (
    _model(
        "Hanging Protocol", "hanging-protocols", (f"{STANDARD}.38.1",), f"{STANDARD}.38", 2,
        {
            "00720002": "HangingProtocolName",
            "00720004": "HangingProtocolDescription",
            "00720006": "HangingProtocolLevel",
            "00720008": "HangingProtocolCreator",
            "0072000A": "HangingProtocolCreationDateTime",
            "0072000C": "HangingProtocolDefinitionSequence",
            "0072000E": "HangingProtocolUserIdentificationCodeSequence",
            "00720010": "HangingProtocolUserGroupName",
            "00720014": "NumberOfPriorsReferenced",
            "00720100": "NumberOfScreens",
            "00720102": "NominalScreenDefinitionSequence",
        },
    ),
    _model(
        "Color Palette", "color-palettes", (f"{STANDARD}.39.1",), f"{STANDARD}.39", 2,
        {
            "00700080": "ContentLabel",
            "00700081": "ContentDescription",
            "00700084": "ContentCreatorName",
            "00700087": "AlternateContentDescriptionSequence",
        },
    ),
    _model(
        "Generic Implant Template", "implant-templates", (f"{STANDARD}.43.1",), f"{STANDARD}.43", 2,
        {
            "00080070": "Manufacturer",
            "00221095": "ImplantName",
            "00221097": "ImplantPartNumber",
            "00686210": "ImplantSize",
            "00686222": "ReplacedImplantTemplateSequence",
            "00686224": "DerivationImplantTemplateSequence",
            "00686225": "OriginalImplantTemplateSequence",
            "00686226": "EffectiveDateTime",
            "00686230": "ImplantTargetAnatomySequence",
            "006862A0": "ImplantRegulatoryDisapprovalCodeSequence",
            "006863A0": "MaterialsCodeSequence",
            "006863A4": "CoatingMaterialsCodeSequence",
        },
    ),
    _model(
        "Implant Assembly Template", "implant-templates", (f"{STANDARD}.44.1",), f"{STANDARD}.44", 2,
        {
            "00080070": "Manufacturer",
            "00760001": "ImplantAssemblyTemplateName",
            "00760008": "ReplacedImplantAssemblyTemplateSequence",
            "0076000C": "OriginalImplantAssemblyTemplateSequence",
            "0076000E": "DerivationImplantAssemblyTemplateSequence",
            "00760020": "ProcedureTypeCodeSequence",
            "00760030": "SurgicalTechnique",
        },
    ),
    _model(
        "Implant Template Group", "implant-templates", (f"{STANDARD}.45.1",), f"{STANDARD}.45", 2,
        {
            "00686226": "EffectiveDateTime",
            "00780001": "ImplantTemplateGroupName",
            "00780010": "ImplantTemplateGroupDescription",
            "00780020": "ImplantTemplateGroupIssuer",
            "00780026": "ReplacedImplantTemplateGroupSequence",
        },
    ),
    _model(
        "Defined Procedure Protocol", "defined-procedure-protocols",
        (f"{STANDARD}.1.1.200.1", f"{STANDARD}.1.1.200.7"), f"{STANDARD}.20", 1,
        {
            "00080012": "InstanceCreationDate",
            "00080013": "InstanceCreationTime",
            "00080220": "ResponsibleGroupCodeSequence",
            "00080221": "EquipmentModality",
            "00082218": "AnatomicRegionSequence",
            "00082228": "PrimaryAnatomicStructureSequence",
            "00120010": "ClinicalTrialSponsorName",
            "00120020": "ClinicalTrialProtocolID",
            "00181030": "ProtocolName",
            "00189906": "PotentialScheduledProtocolCodeSequence",
            "00189907": "PotentialRequestedProcedureCodeSequence",
            "00189908": "PotentialReasonsForProcedure",
            "00189909": "PotentialReasonsForProcedureCodeSequence",
            "0018990A": "PotentialDiagnosticTasks",
            "0018990E": "PredecessorProtocolSequence",
            "00189912": "ModelSpecificationSequence",
            "0040A07C": "CustodialOrganizationSequence",
            "00700084": "ContentCreatorName",
        },
    ),
    _model(
        "Protocol Approval", "protocol-approvals", (f"{STANDARD}.1.1.200.3",), f"{STANDARD}.1.1.200", 4,
        {
            "00080012": "InstanceCreationDate",
            "00080013": "InstanceCreationTime",
            "00440100": "ApprovalSequence",
            "00440109": "ApprovalSubjectSequence",
        },
    ),
)  # fmt: skip

BY_CLASS: Mapping[str, Model] = {uid: model for model in MODELS for uid in model.classes}
"""By storage class."""
NON_PATIENT = frozenset({*BY_CLASS, INVENTORY})
"""The storage classes of objects of no patient and no study."""
WORDS = tuple(sorted({model.word for model in MODELS}))


def of_word(word: str) -> tuple[Model, ...]:
    """The models under a name of DICOMweb."""
    return tuple(model for model in MODELS if model.word == word)
