"""The referee: run a submission so that nothing in it can become a score.

``docs/referee.md`` follows one submission through these modules:

- :mod:`engine`: starts the others and waits; the grader's side
- :mod:`zygote`: a warm process that forks others in milliseconds
- :mod:`session`: the referee of one submission, trusted; runs the instructor's cells
- :mod:`remote`: the student's process as the referee sees it
- :mod:`wire`: plain data between the two
- :mod:`student`, :mod:`shell`, :mod:`guard`: the student's process
- :mod:`sandbox`: the walls around it
- :mod:`matching`, :mod:`forbidden`: what was handed in, and what an answer may not use
- :mod:`verdict`, :mod:`limits`: what comes out, and what may be used up
"""
