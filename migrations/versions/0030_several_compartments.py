"""The types of which a resource is in several patients' compartments."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

TYPES = """
    1:Account 3:AdverseEvent 4:AllergyIntolerance 5:Appointment 6:AppointmentResponse 7:AuditEvent 8:Basic
    9:Binary 11:BodyStructure 14:CarePlan 15:CareTeam 17:ChargeItem 19:Claim 20:ClaimResponse
    21:ClinicalImpression 23:Communication 24:CommunicationRequest 26:Composition 28:Condition 29:Consent
    31:Coverage 32:CoverageEligibilityRequest 33:CoverageEligibilityResponse 34:DetectedIssue 35:Device
    38:DeviceRequest 39:DeviceUseStatement 40:DiagnosticReport 41:DocumentManifest 42:DocumentReference
    44:Encounter 46:EnrollmentRequest 48:EpisodeOfCare 53:ExplanationOfBenefit 54:FamilyMemberHistory 55:Flag
    56:Goal 58:Group 61:ImagingStudy 62:Immunization 63:ImmunizationEvaluation 64:ImmunizationRecommendation
    67:Invoice 70:List 73:MeasureReport 74:Media 76:MedicationAdministration 77:MedicationDispense
    79:MedicationRequest 80:MedicationStatement 93:MolecularSequence 95:NutritionOrder 96:Observation 103:Patient
    106:Person 110:Procedure 111:Provenance 113:QuestionnaireResponse 114:RelatedPerson 115:RequestGroup
    119:ResearchSubject 120:RiskAssessment 122:Schedule 124:ServiceRequest 126:Specimen 138:SupplyDelivery
    139:SupplyRequest 140:Task 146:VisionPrescription
"""
"""The types that compartments have, by the number that they have in the store."""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "several_compartments",
        sa.Column("type", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("type"),
        comment="the types (see smart_auth/several.py) of which a resource is or was in several compartments",
    )
    numbers, names = zip(*(one.split(":") for one in TYPES.split()), strict=True)
    op.get_bind().execute(
        sa.text(
            """INSERT INTO several_compartments (type)
               SELECT x.name FROM unnest(cast(:numbers AS smallint[]), cast(:names AS text[])) AS x (number, name)
               WHERE x.number IN (SELECT r.type FROM resource r JOIN compartment c ON c.pk = r.pk)"""
        ),
        {"numbers": [int(number) for number in numbers], "names": list(names)},
    )
