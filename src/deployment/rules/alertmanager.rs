//! Rules on alertmanager.yml.

use super::super::yaml::Node;
use super::super::{Deployment, Kind};
use super::{Found, Look, Looked};

const NEEDS: Looked = Looked::Needs("alertmanager.yml");

pub(super) const RULES: &[(&str, Look)] = &[("AM-05.1", destinations), ("AM-06.1", secret_templates)];

/// Fields that decide where a notification goes.
const DESTINATIONS: [&str; 13] = [
    "to",
    "channel",
    "url",
    "api_url",
    "webhook_url",
    "user_key",
    "routing_key",
    "room_id",
    "chat_id",
    "topic_arn",
    "phone_number",
    "to_user",
    "target_arn",
];

/// Fields that Alertmanager's documentation types as a secret, templated or not.
const SECRETS: [&str; 12] = [
    "auth_password",
    "auth_secret",
    "api_key",
    "api_secret",
    "api_token",
    "bot_token",
    "service_key",
    "token",
    "password",
    "credentials",
    "client_secret",
    "secret_key",
];

/// What an alert's sender decides.
const ALERT_DATA: [&str; 7] = [
    ".Labels",
    ".CommonLabels",
    ".GroupLabels",
    ".Annotations",
    ".CommonAnnotations",
    ".Alerts",
    ".ExternalURL",
];

fn uses_alert_data(text: &str) -> Option<&'static str> {
    // What lies outside `{{ … }}` is literal.
    let inside = text.split("{{").skip(1).filter_map(|part| part.split("}}").next());
    inside.flat_map(|action| ALERT_DATA.iter().find(|d| action.contains(*d))).copied().next()
}

fn receivers(deployment: &Deployment, found: &mut Found, fields: &[&str], what: &str) -> Looked {
    if !deployment.has(Kind::Alertmanager) {
        return NEEDS;
    }
    for (document, root) in deployment.of_kind(Kind::Alertmanager) {
        for receiver in root.get("receivers").into_iter().flat_map(Node::items) {
            let name = receiver.get("name").and_then(Node::text).unwrap_or("without a name");
            for (kind, configs) in receiver.pairs().into_iter().filter(|(k, _)| k.ends_with("_configs")) {
                for config in configs.items() {
                    config.walk(&mut Vec::new(), &mut |path, node| {
                        let field = path.last().copied().unwrap_or_default();
                        if fields.contains(&field)
                            && let Some(data) = node.text().and_then(uses_alert_data)
                            && data != ".ExternalURL"
                        {
                            let place = format!("receiver `{name}`: `{kind}.{}`", path.join("."));
                            found.at(document, node, format!("{place} takes `{data}` {what}"));
                        }
                    });
                }
            }
        }
    }
    Looked::Yes
}

fn destinations(deployment: &Deployment, found: &mut Found) -> Looked {
    receivers(deployment, found, &DESTINATIONS, "for its destination")
}

fn secret_templates(deployment: &Deployment, found: &mut Found) -> Looked {
    receivers(deployment, found, &SECRETS, "for a secret")
}
