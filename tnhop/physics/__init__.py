"""The language of physics: operators, rates, terms, models, states, problems."""
