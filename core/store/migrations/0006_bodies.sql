-- Bodies are deleted along webhook_events_created, from where the last walk ended; this index was one more for each webhook to write.
DROP INDEX webhook_events_bodies;
