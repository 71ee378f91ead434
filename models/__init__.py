"""Components: what each is (a specification) and what it does (its behaviour), one file or package each."""

import sim  # noqa: F401  (it decides whether modules run compiled, before any of these is loaded)
