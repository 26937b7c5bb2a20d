"""What the tests share: operators, choices, assertions, layers, processes. ``tests/README.md`` says what is where."""
