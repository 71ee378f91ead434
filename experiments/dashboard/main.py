"""What Streamlit runs: `streamlit run main.py [-- FILE.yaml ...]`. Works the same in a checkout and installed.

The guard matters: worker processes import the script that started them.
"""

from __future__ import annotations

from experiments.dashboard.page import show

if __name__ == "__main__":
    show()
