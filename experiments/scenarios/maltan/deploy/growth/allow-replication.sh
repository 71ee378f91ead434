#!/bin/bash
# Run once by the image when the primary's database is created: a standby may connect.
set -e
echo "host replication maltan all scram-sha-256" >> "$PGDATA/pg_hba.conf"
