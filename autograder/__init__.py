"""The instructor's tools: build and release notebooks, grade a class, report on it."""
