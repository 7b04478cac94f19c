"""The audit trail as AuditEvents: read and searched where it is, never stored a second time."""
