"""The comparison's own machinery: cases, worker processes, agreement and the report."""
