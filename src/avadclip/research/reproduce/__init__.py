"""The paper's tables, trained and measured again."""
