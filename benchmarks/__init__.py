"""Speed and memory of this project beside direct TCP and `ssh -L`, in one run.

`python -m benchmarks` runs it; `README.md` beside this file says what is measured and how.
"""
