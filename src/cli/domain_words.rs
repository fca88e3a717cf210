//! Plans, preconditions and drift for people.
//!
//! Always true: a sign and a word say what a colour says; what a tenant wrote steers no
//! terminal.

use std::io::{self, Write};

use crate::{
    federation::{
        Difference, Drift, DriftSeverity, Plan, Restoration, Setting,
        precondition::{Precondition, Standing, Weight},
    },
    inspect::shown,
};

/// The longest value that is shown, in characters.
const LONGEST: usize = 300;
/// `isSignedAuthenticationRequestRequired`, the longest name, and a space.
const NAME_WIDTH: usize = 38;

/// How things are said.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    colours: bool,
}

impl Words {
    /// For a terminal, or for a pipe.
    pub fn of_terminal(is_terminal: bool) -> Self {
        Self {
            colours: is_terminal && std::env::var_os("NO_COLOR").is_none(),
        }
    }

    fn paint(self, code: u8, text: &str) -> String {
        if self.colours {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    /// A plan.
    pub fn plan(self, plan: &Plan, out: &mut dyn Write) -> io::Result<()> {
        let domain = &plan.domain;
        if let Some(why) = &plan.contradicts {
            writeln!(
                out,
                "{}: {}. If nobody of you did this, treat it as an attack: look in Entra's audit log who did.",
                self.paint(31, "no"),
                shown(why, LONGEST)
            )?;
        } else if let Some(root) = &plan.inherits {
            writeln!(
                out,
                "{domain} lies below {root} and has that domain's federation: nothing to do here. See `claimbridge domain plan {root}`."
            )?;
        } else if plan.is_empty() {
            writeln!(
                out,
                "{domain}: nothing to do, the tenant has what it should have."
            )?;
        } else {
            let what = if plan.converts {
                "becomes federated: from then on its people sign in here, and only here"
            } else {
                "is federated, and this changes"
            };
            writeln!(out, "{domain} {what}.")?;
        }
        if !plan.is_of_state {
            writeln!(
                out,
                "The tenant's state was not given: this is made as if the domain were managed (--state FILE)."
            )?;
        }
        self.differences(&plan.differences, out)?;
        if !plan.mends.is_empty() {
            writeln!(
                out,
                "\nThis mends {}. (`claimbridge explain` says more.)",
                plan.mends.join(", ")
            )?;
        }
        warnings(plan, out)?;
        if !plan.is_empty() {
            writeln!(out, "\nWhat cannot be undone:")?;
            for sentence in crate::federation::restore::cannot_be_undone(plan.converts) {
                writeln!(out, "  - {sentence}")?;
            }
        }
        Ok(())
    }

    /// What stands beside calls or a script that somebody will run.
    pub fn before_it_is_run(
        self,
        plan: &Plan,
        checks: &[Precondition],
        out: &mut dyn Write,
    ) -> io::Result<()> {
        if let Some(why) = &plan.contradicts {
            writeln!(out, "{}: {}.", self.paint(31, "no"), shown(why, LONGEST))?;
        }
        warnings(plan, out)?;
        if !plan.is_empty() {
            self.preconditions(checks, out)?;
        }
        Ok(())
    }

    /// What changes, one property a line, and why it matters.
    pub fn differences(self, differences: &[Difference], out: &mut dyn Write) -> io::Result<()> {
        if !differences.is_empty() {
            writeln!(out)?;
        }
        for difference in differences {
            let name = format!("{:<NAME_WIDTH$}", difference.property.name());
            let line = match (&difference.was, &difference.will) {
                (None, Some(will)) => self.paint(32, &format!("  + {name}{}", value(will))),
                (Some(was), None) => self.paint(31, &format!("  - {name}{} → not set", value(was))),
                (Some(was), Some(will)) => {
                    self.paint(33, &format!("  ~ {name}{} → {}", value(was), value(will)))
                }
                (None, None) => continue,
            };
            writeln!(out, "{line}")?;
            writeln!(
                out,
                "    {:NAME_WIDTH$}{}",
                "",
                self.paint(2, difference.property.matters())
            )?;
        }
        Ok(())
    }

    /// How the preconditions stand.
    pub fn preconditions(self, checks: &[Precondition], out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "\nBefore it can be applied:")?;
        for check in checks {
            let (colour, sign) = match (check.standing, check.weight) {
                (Standing::Met, _) => (32, "ok"),
                (Standing::Unmet, Weight::Refuses) => (31, "no"),
                (Standing::Unmet, Weight::Warns) => (33, "mind"),
                (Standing::Unknown, _) => (33, "?"),
            };
            writeln!(
                out,
                "  {} {}",
                self.paint(colour, &format!("{sign:<4}")),
                shown(&check.says, 600)
            )?;
            if !check.remedy.is_empty() {
                writeln!(out, "       {}", check.remedy)?;
            }
        }
        Ok(())
    }

    /// The way back.
    pub fn restoration(self, way: &Restoration, out: &mut dyn Write) -> io::Result<()> {
        if let Some(why) = &way.refused {
            writeln!(out, "Nothing is restored: {}.", shown(why, 800))?;
        }
        if way.to_managed {
            writeln!(
                out,
                "The domain becomes managed again: Entra asks for its own passwords."
            )?;
        }
        self.differences(&way.differences, out)?;
        if !way.cannot.is_empty() {
            writeln!(out, "\nWhat cannot be restored:")?;
            for sentence in &way.cannot {
                writeln!(out, "  - {sentence}")?;
            }
        }
        if !way.warnings.is_empty() {
            writeln!(out, "\nWhat it had before, and should not have:")?;
            self.drift(&way.warnings, out)?;
        }
        Ok(())
    }

    /// What changed behind our back.
    pub fn drift(self, drift: &[Drift], out: &mut dyn Write) -> io::Result<()> {
        for one in drift {
            let colour = match one.severity {
                DriftSeverity::Critical => 31,
                DriftSeverity::Warning => 33,
                DriftSeverity::Info => 36,
            };
            writeln!(
                out,
                "{} {}: {}\n    {}",
                self.paint(colour, &format!("{:<8}", one.severity.as_str())),
                one.kind,
                shown(&one.sentence, 800),
                one.remedy
            )?;
        }
        Ok(())
    }
}

fn value(setting: &Setting) -> String {
    shown(&setting.to_words(), LONGEST)
}

fn warnings(plan: &Plan, out: &mut dyn Write) -> io::Result<()> {
    if !plan.warnings.is_empty() {
        writeln!(out, "\nWarnings, with the result:")?;
    }
    for warning in &plan.warnings {
        writeln!(
            out,
            "  {} ({}) {} {}\n      {}",
            warning.rule,
            warning.severity.as_str(),
            warning.title,
            shown(&warning.evidence, LONGEST),
            warning.fix
        )?;
    }
    Ok(())
}
