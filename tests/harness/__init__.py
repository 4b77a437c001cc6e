"""What system, dialogue and crash tests stand on. tests/README.md tells how the pieces fit."""
