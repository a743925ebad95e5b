-- refuse_template --
INSERT INTO refused_templates (transport, account, template, reason, times, again_at, late)
VALUES (:transport, :account, :template, :reason, :times, :again_at, :late)
ON CONFLICT (transport, account, template) DO UPDATE SET reason = excluded.reason, times = excluded.times, again_at = excluded.again_at, late = excluded.late

-- template_works --
DELETE FROM refused_templates WHERE transport = :transport AND account = :account AND template = :template

-- refused_templates --
SELECT * FROM refused_templates WHERE again_at > :since ORDER BY transport, account, template
