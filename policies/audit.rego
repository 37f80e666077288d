# The default policy of `reprove audit`.
#
# Input: src/evaluate/policy/input.schema.json. States are words, and what was not looked at is there as a
# word too, so that nothing passes by being undefined. Three answers are sets of objects
# {code, subject, message}: `deny` (fail), `unsettled` (inconclusive) and `warn` (told, and nothing else).
package reprove.audit

import rego.v1

rank := {"info": 0, "low": 1, "medium": 2, "high": 3, "critical": 4, "never": 9}

at_least(severity, threshold) if rank[severity] >= rank[threshold]

# An unknown severity is taken for the worst.
at_least(severity, threshold) if {
	not severity in object.keys(rank)
	threshold != "never"
}

# A waiver excuses what was seen. What could not be looked at stays unsettled.
waived(thing) if thing.waiver in {"active", "ending"}

# --- controls -------------------------------------------------------------------------------------------

# What the project promises for the release has to be so.
promised(control) if {
	control.kind == "promise"
	control.state != "not-of-this-release"
	at_least(control.severity, input.thresholds.controls["promises-from"])
}

demanded(control) if control.id in input.thresholds.controls.required

binding(control) if promised(control)

binding(control) if demanded(control)

# A broken remedy or repair is one whatever the kind.
deny contains {"code": "control-broken", "subject": control.id, "message": control.reason} if {
	some control in input.controls.items
	control.state == "broken"
	at_least(control.severity, input.thresholds.controls["promises-from"])
	not waived(control)
}

deny contains {"code": "control-broken", "subject": control.id, "message": control.reason} if {
	some control in input.controls.items
	demanded(control)
	control.verdict == "fail"
	not waived(control)
}

deny contains {"code": "deployment-violates", "subject": control.id, "message": "the deployment that was given violates it"} if {
	some control in input.controls.items
	control.deployment == "fail"
	at_least(control.severity, input.thresholds.controls["deployment-from"])
	not waived(control)
}

unsettled contains {"code": "control-not-shown", "subject": control.id, "message": control.reason} if {
	some control in input.controls.items
	binding(control)
	control.verdict == "inconclusive"
	not untested(control)
}

# A remedy or a repair may have been broken where nobody could look.
unsettled contains {"code": "control-not-shown", "subject": control.id, "message": control.reason} if {
	some control in input.controls.items
	control.state == "not-shown"
	at_least(control.severity, input.thresholds.controls["promises-from"])
	control.guards == "yes"
}

unsettled contains {"code": "deployment-not-looked", "subject": control.id, "message": "not every rule could be looked at"} if {
	some control in input.controls.items
	control.deployment == "inconclusive"
	at_least(control.severity, input.thresholds.controls["deployment-from"])
}

# A promise that nothing here can test is told, and blocks only where it is demanded.
untested(control) if {
	control.state == "no-check"
	not demanded(control)
}

warn contains {"code": "control-untested", "subject": control.id, "message": control.reason} if {
	some control in input.controls.items
	promised(control)
	untested(control)
}

warn contains {"code": "control-differs", "subject": control.id, "message": control.reason} if {
	some control in input.controls.items
	control.state == "differs"
}

warn contains {"code": "control-waived", "subject": control.id, "message": control.reason} if {
	some control in input.controls.items
	control.verdict == "fail"
	waived(control)
}

unsettled contains {"code": "controls-absent", "subject": "controls", "message": "the controls were not evaluated"} if input.controls.state == "absent"

# --- findings -------------------------------------------------------------------------------------------

bad_standings := {"contradicted", "regressed", "lapsed"}

deny contains {"code": sprintf("finding-%s", [finding.standing]), "subject": finding.id, "message": finding.title} if {
	some finding in input.findings.items
	input.thresholds.findings[finding.standing] == "fail"
	not waived(finding)
}

deny contains {"code": "finding-open", "subject": finding.id, "message": finding.title} if {
	some finding in input.findings.items
	finding.standing == "open"
	at_least(finding.severity, input.thresholds.findings["open-from"])
	not waived(finding)
}

unsettled contains {"code": "finding-unproven", "subject": finding.id, "message": finding.title} if {
	some finding in input.findings.items
	finding.standing in {"unproven", "not-evaluated"}
}

warn contains {"code": sprintf("finding-%s", [finding.standing]), "subject": finding.id, "message": finding.title} if {
	some finding in input.findings.items
	finding.standing in bad_standings
	not denied(sprintf("finding-%s", [finding.standing]), finding.id)
}

warn contains {"code": "finding-open", "subject": finding.id, "message": finding.title} if {
	some finding in input.findings.items
	finding.standing == "open"
	not denied("finding-open", finding.id)
}

unsettled contains {"code": "findings-absent", "subject": "findings", "message": "the findings were not evaluated"} if input.findings.state == "absent"

# --- waivers --------------------------------------------------------------------------------------------

faults contains ["past", waiver.id, "it has ended and counts for nothing"] if {
	some waiver in input.waivers
	waiver.state == "past"
}

faults contains ["unknown", waiver.id, sprintf("nothing is known as %s", [waiver.about])] if {
	some waiver in input.waivers
	waiver.known == "no"
}

faults contains ["unused", waiver.id, "the release has nothing for it to excuse"] if {
	some waiver in input.waivers
	waiver.known == "yes"
	waiver.used == "no"
	waiver.state in {"active", "ending"}
}

deny contains {"code": sprintf("waiver-%s", [fault]), "subject": id, "message": message} if {
	some [fault, id, message] in faults
	input.thresholds.waivers[fault] == "fail"
}

warn contains {"code": sprintf("waiver-%s", [fault]), "subject": id, "message": message} if {
	some [fault, id, message] in faults
	input.thresholds.waivers[fault] == "report"
}

warn contains {"code": "waiver-ending", "subject": waiver.id, "message": sprintf("%d days left", [waiver.days])} if {
	some waiver in input.waivers
	waiver.state == "ending"
}

denied(code, subject) if {
	some entry in deny
	entry.code == code
	entry.subject == subject
}
