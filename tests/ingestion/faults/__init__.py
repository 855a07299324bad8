"""What happens to a sync when something breaks: kills, database faults, rival runs, and safeguards taken away."""
