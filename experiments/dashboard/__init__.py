"""The dashboard: what-if sliders beside the unchanged baseline, in a browser.

main.py      what Streamlit runs
page.py      the page, from top to bottom
knobs.py     which settings a scenario lets you turn, grown from its specification
running.py   runs, kept by their content
figures.py   the headline figures and what may be concluded from two runs
cards.py     what is shown as HTML; style.css beside it
charts.py    what is shown as plots
texts.py     every text, in English and Korean
wording.py   numbers as people read them
"""
