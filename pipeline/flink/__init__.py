"""The job's operators: restore a snapshot, call the domain, store the new snapshot, carry out what came back."""
