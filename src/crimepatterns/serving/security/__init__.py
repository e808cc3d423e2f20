"""Who may see what: roles, keys, the gate in front of every route, and a start that is never open by accident."""
