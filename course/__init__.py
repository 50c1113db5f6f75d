"""Assignments: release them to students, grade what comes back in a sandbox, show solutions to instructors."""
