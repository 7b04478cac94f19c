"""To which level attributes of the standard belong, for those that the index does not hold.

An attribute that stands in none of these modules is one of the instance.

Spec: PS3.3 C.7.1.1, C.7.1.3, C.7.2.1 to C.7.2.3, C.7.3.1, C.7.3.2, C.7.4.1 and C.7.5.1, PS3.4 Tables C.3-1 and
C.6-2 (2024d)
"""

from __future__ import annotations

from dicomweb.index.attributes import BY_KEYWORD, Level

_STUDY = """
    PatientName PatientID IssuerOfPatientID IssuerOfPatientIDQualifiersSequence TypeOfPatientID PatientBirthDate
    PatientBirthDateInAlternativeCalendar PatientDeathDateInAlternativeCalendar PatientAlternativeCalendar
    PatientSex ReferencedPatientPhotoSequence QualityControlSubject ReferencedPatientSequence PatientBirthTime
    OtherPatientIDs OtherPatientIDsSequence OtherPatientNames EthnicGroup PatientComments
    PatientSpeciesDescription PatientSpeciesCodeSequence PatientBreedDescription PatientBreedCodeSequence
    BreedRegistrationSequence StrainDescription ResponsiblePerson ResponsiblePersonRole ResponsibleOrganization
    PatientIdentityRemoved DeidentificationMethod DeidentificationMethodCodeSequence PatientBirthName
    PatientMotherBirthName SourcePatientGroupIdentificationSequence GroupOfPatientsIdentificationSequence
    ClinicalTrialSponsorName ClinicalTrialProtocolID ClinicalTrialProtocolName ClinicalTrialSiteID
    ClinicalTrialSiteName ClinicalTrialSubjectID ClinicalTrialSubjectReadingID
    StudyInstanceUID StudyDate StudyTime ReferringPhysicianName ReferringPhysicianIdentificationSequence
    ConsultingPhysicianName ConsultingPhysicianIdentificationSequence StudyID AccessionNumber
    IssuerOfAccessionNumberSequence StudyDescription PhysiciansOfRecord PhysiciansOfRecordIdentificationSequence
    NameOfPhysiciansReadingStudy PhysiciansReadingStudyIdentificationSequence RequestingService
    RequestingServiceCodeSequence ReferencedStudySequence ProcedureCodeSequence
    ReasonForPerformedProcedureCodeSequence
    AdmittingDiagnosesDescription AdmittingDiagnosesCodeSequence PatientAge PatientSize PatientWeight
    PatientSizeCodeSequence PatientBodyMassIndex MeasuredAPDimension MeasuredLateralDimension MedicalAlerts Allergies
    SmokingStatus PregnancyStatus LastMenstrualDate PatientState Occupation AdditionalPatientHistory AdmissionID
    IssuerOfAdmissionIDSequence ServiceEpisodeID ServiceEpisodeDescription IssuerOfServiceEpisodeIDSequence
    PatientSexNeutered ReasonForVisit ReasonForVisitCodeSequence
    ClinicalTrialTimePointID ClinicalTrialTimePointDescription TimezoneOffsetFromUTC OtherStudyNumbers
    AnatomicRegionsInStudyCodeSequence
"""

_SERIES = """
    Modality SeriesInstanceUID SeriesNumber Laterality SeriesDate SeriesTime PerformingPhysicianName
    PerformingPhysicianIdentificationSequence ProtocolName SeriesDescription SeriesDescriptionCodeSequence
    OperatorsName OperatorIdentificationSequence ReferencedPerformedProcedureStepSequence RelatedSeriesSequence
    BodyPartExamined PatientPosition SmallestPixelValueInSeries LargestPixelValueInSeries RequestAttributesSequence
    PerformedProcedureStepID PerformedProcedureStepStartDate PerformedProcedureStepStartTime
    PerformedProcedureStepEndDate PerformedProcedureStepEndTime PerformedProcedureStepDescription
    PerformedProtocolCodeSequence CommentsOnThePerformedProcedureStep AnatomicalOrientationType
    TreatmentSessionUID ClinicalTrialCoordinatingCenterName ClinicalTrialSeriesID ClinicalTrialSeriesDescription
    FrameOfReferenceUID PositionReferenceIndicator
    Manufacturer InstitutionName InstitutionAddress StationName InstitutionalDepartmentName
    InstitutionalDepartmentTypeCodeSequence ManufacturerModelName ManufacturerDeviceClassUID DeviceSerialNumber
    SoftwareVersions GantryID UDISequence DeviceUID SpatialResolution DateOfLastCalibration TimeOfLastCalibration
    PixelPaddingValue
"""


OF_STUDY, OF_SERIES = frozenset(_STUDY.split()), frozenset(_SERIES.split())


def level_of(name: str) -> Level:
    """The level of an attribute with this canonical name, or of the sequence that it is in."""
    known = BY_KEYWORD.get(name)
    if known is not None:
        return known.level
    first = name.partition(".")[0]
    if first in OF_STUDY:
        return Level.STUDY
    return Level.SERIES if first in OF_SERIES else Level.INSTANCE
