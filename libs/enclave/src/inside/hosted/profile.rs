//! The user profile of LibreOffice: no macros, no links, no updates, no Java.

use std::fs;
use std::path::Path;

use super::Trouble;

/// Path, property and value of each setting.
const SETTINGS: &[(&str, &str, &str)] = &[
    // No macro runs, whoever signed it.
    ("Office.Common/Security/Scripting", "MacroSecurityLevel", "3"),
    ("Office.Common/Security/Scripting", "DisableMacrosExecution", "true"),
    // Nothing is loaded that the document only points to.
    ("Office.Common/Security/Scripting", "BlockUntrustedRefererLinks", "true"),
    ("Office.Writer/Content/Update", "Link", "0"),
    ("Office.Calc/Content/Update", "Link", "1"),
    ("Office.Common/Load", "UserDefinedSettings", "false"),
    ("Office.Java/VirtualMachine", "Enable", "false"),
    ("Office.Common/Misc", "FirstRun", "false"),
    ("Office.Common/Misc", "UseOpenCL", "false"),
    ("Office.Common/Misc", "CollectUsageInformation", "false"),
    ("Office.Common/Misc", "CrashReport", "false"),
    ("Office.Recovery/AutoSave", "Enabled", "false"),
    ("Office.Recovery/RecoveryInfo", "Enabled", "false"),
];

/// Writes it. With the mark of the installed build in it, the program does not set it up anew and
/// ask to be started again.
pub(super) fn write(home: &Path, program: &Path) -> Result<(), Trouble> {
    let user = home.join("user");
    let extensions = user.join("extensions");
    fs::create_dir_all(&extensions).map_err(Trouble::io("make a profile"))?;
    fs::write(user.join("registrymodifications.xcu"), registry())
        .map_err(Trouble::io("write a profile"))?;
    let versions = fs::read_to_string(program.join("versionrc")).unwrap_or_default();
    let build = versions.lines().find_map(|line| line.strip_prefix("buildid="));
    fs::write(extensions.join("buildid"), build.unwrap_or_default())
        .map_err(Trouble::io("write a profile"))
}

fn registry() -> String {
    let mut xml = String::from(concat!(
        r#"<?xml version="1.0" encoding="UTF-8"?>"#,
        r#"<oor:items xmlns:oor="http://openoffice.org/2001/registry">"#,
    ));
    for (path, property, value) in SETTINGS {
        xml.push_str(&format!(
            concat!(
                r#"<item oor:path="/org.openoffice.{}"><prop oor:name="{}" oor:op="fuse">"#,
                "<value>{}</value></prop></item>"
            ),
            path, property, value
        ));
    }
    xml.push_str("</oor:items>");
    xml
}
