"""The dashboard: `streamlit run app.py`."""

from experiments.dashboard.page import show

if __name__ == "__main__":  # worker processes import the script that started them
    show()
