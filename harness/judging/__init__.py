"""What people or models are to judge, and when that is enough for the decision."""
