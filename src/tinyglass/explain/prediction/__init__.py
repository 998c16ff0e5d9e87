"""Why a prediction: what each reading contributed, and what would have changed the answer."""
