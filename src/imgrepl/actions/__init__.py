"""What a user does, one file per noun."""
