"""What the load of a log is, and what it means.

counts       how many requests came when
dispersion   burstiness, and the MMPP(2) that has it
popularity   Zipf's law
sessions     visits and think times
visitors     users behind an address
endpoints    what is asked for
limits       what a rate limit would have refused
order        requests in the order of their arrivals
histogram    durations in bins
fitting      which distribution durations follow
measure      all of it in one reading
report       as text
page         as a page with plots
"""
