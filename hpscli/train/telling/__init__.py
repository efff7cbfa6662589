"""What a training says and draws: its plan, its terms, its diary, its pictures."""
