-- A page of the audit log is read from an index whatever it is filtered by (behaviour 27): these filters had none.
CREATE INDEX audit_log_actor_name_idx ON audit_log (lower(actor_name), at);
CREATE INDEX audit_log_resource_type_idx ON audit_log (resource_type, at);
CREATE INDEX audit_log_resource_id_idx ON audit_log (resource_id, at);
