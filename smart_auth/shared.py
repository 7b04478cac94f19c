"""Types whose resources belong to no patient, and what everyone whose scope names them may do with these."""

from __future__ import annotations

from smart_auth.scope import Permission

SHARED_TYPES = frozenset(
    {
        # directory
        "Endpoint", "HealthcareService", "InsurancePlan", "Location", "Organization", "OrganizationAffiliation",
        "Practitioner", "PractitionerRole",
        # calendars: whose they are, when they are open, and that some time is taken; not by whom
        "Schedule", "Slot",
        # catalogue
        "Medication", "MedicationKnowledge", "Substance", "DeviceDefinition", "CatalogEntry", "ObservationDefinition",
        "SpecimenDefinition",
        # definitions and terminology
        "ActivityDefinition", "CapabilityStatement", "ChargeItemDefinition", "CodeSystem", "CompartmentDefinition",
        "ConceptMap", "EventDefinition", "GraphDefinition", "ImplementationGuide", "Library", "Measure",
        "MessageDefinition", "NamingSystem", "OperationDefinition", "PlanDefinition", "Questionnaire",
        "SearchParameter", "StructureDefinition", "StructureMap", "TerminologyCapabilities", "ValueSet",
    }
)  # fmt: skip
"""Types that describe no patient. An allow-list: a type not named here is closed unless a compartment opens it."""

LOOKING = frozenset({Permission.READ, Permission.SEARCH})
"""What everyone may do with resources of `SHARED_TYPES`. They say who works here and by what rules the server judges:
one patient's or one clinician's app does not change that, whatever its scopes.
"""
