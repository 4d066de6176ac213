//! Nodes and a JSON value to text.

use imgc_base::diagnostic::did_you_mean;
use serde_json::Value;

use super::functions;
use super::parse::{Block, Command, Node, Operand, Pipeline, Start};

/// What went wrong, and what to do.
pub(super) type Bad = (String, Option<String>);

/// The text of nodes for a value.
pub(super) fn render(nodes: &[Node], value: &Value) -> Result<String, Bad> {
    let mut state = State { variables: vec![(String::new(), value.clone())], out: String::new() };
    state.nodes(nodes, value)?;
    Ok(state.out)
}

struct State {
    /// The variable without a name is the whole value (`$`).
    variables: Vec<(String, Value)>,
    out: String,
}

impl State {
    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<(), Bad> {
        let known = self.variables.len();
        for node in nodes {
            match node {
                Node::Text(text) => self.out.push_str(text),
                Node::Print { variable: None, pipeline } => {
                    let value = self.pipeline(pipeline, dot)?;
                    self.out.push_str(&functions::text(&value));
                }
                Node::Print { variable: Some(name), pipeline } => {
                    let value = self.pipeline(pipeline, dot)?;
                    self.variables.push((name.clone(), value));
                }
                Node::Block { kind, variables, pipeline, body, otherwise } => {
                    let value = self.pipeline(pipeline, dot)?;
                    self.block(*kind, variables, &value, body, otherwise, dot)?;
                }
            }
        }
        self.variables.truncate(known);
        Ok(())
    }

    fn block(
        &mut self,
        kind: Block,
        variables: &[String],
        value: &Value,
        body: &[Node],
        otherwise: &[Node],
        dot: &Value,
    ) -> Result<(), Bad> {
        let known = self.variables.len();
        if kind == Block::Range {
            let items = functions::items(value)?;
            for (key, item) in &items {
                match variables {
                    [] => {}
                    [one] => self.variables.push((one.clone(), item.clone())),
                    [first, second, ..] => {
                        self.variables.push((first.clone(), key.clone()));
                        self.variables.push((second.clone(), item.clone()));
                    }
                }
                self.nodes(body, item)?;
                self.variables.truncate(known);
            }
            return if items.is_empty() { self.nodes(otherwise, dot) } else { Ok(()) };
        }
        if !functions::truth(value) {
            return self.nodes(otherwise, dot);
        }
        self.variables.extend(variables.first().map(|name| (name.clone(), value.clone())));
        let dot = if kind == Block::With { value } else { dot };
        self.nodes(body, dot)?;
        self.variables.truncate(known);
        Ok(())
    }

    fn pipeline(&self, pipeline: &Pipeline, dot: &Value) -> Result<Value, Bad> {
        let mut last = None;
        for command in &pipeline.0 {
            last = Some(self.command(command, last, dot)?);
        }
        Ok(last.unwrap_or_default())
    }

    fn command(&self, command: &Command, last: Option<Value>, dot: &Value) -> Result<Value, Bad> {
        let mut values = command
            .operands
            .iter()
            .map(|operand| self.operand(operand, dot))
            .collect::<Result<Vec<_>, _>>()?;
        values.extend(last);
        match &command.function {
            Some(name) => functions::call(name, &values),
            None if values.len() == 1 => Ok(values.remove(0)),
            None => Err(("a value is not a function".to_owned(), None)),
        }
    }

    fn operand(&self, operand: &Operand, dot: &Value) -> Result<Value, Bad> {
        let (start, fields) = match operand {
            Operand::Literal(value) => return Ok(value.clone()),
            Operand::Path { start, fields } => (start, fields),
        };
        let start = match start {
            Start::Dot => dot.clone(),
            Start::Variable(name) => self
                .variables
                .iter()
                .rev()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.clone())
                .ok_or_else(|| (format!("there is no variable `${name}`"), None))?,
            Start::Pipeline(pipeline) => self.pipeline(pipeline, dot)?,
        };
        let mut above = "";
        fields.iter().try_fold(start, |value, name| {
            let keyed = MAPS.iter().any(|map| map.eq_ignore_ascii_case(above));
            above = name;
            match (keyed, &value) {
                (true, Value::Object(object)) => Ok(object.get(name.as_str()).cloned().unwrap_or_default()),
                _ => field(&value, name),
            }
        })
    }
}

/// Objects whose names are data: there is no wrong one.
const MAPS: [&str; 4] = ["Labels", "Annotations", "ExposedPorts", "Volumes"];

/// A field of an object, in any case.
fn field(value: &Value, name: &str) -> Result<Value, Bad> {
    let Value::Object(object) = value else {
        if value.is_null() {
            return Ok(Value::Null);
        }
        let kind = functions::kind(value);
        return Err((format!("`.{name}` is asked of {kind}, which has no fields"), None));
    };
    let found = object.get(name).or_else(|| {
        object.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    });
    found.cloned().ok_or_else(|| {
        let near = did_you_mean(name, object.keys().map(String::as_str));
        let help = near.map(|near| format!("did you mean `.{near}`?")).or_else(|| {
            let names: Vec<String> = object.keys().map(|name| format!("`.{name}`")).collect();
            (!names.is_empty()).then(|| format!("there are {}", names.join(", ")))
        });
        (format!("there is no field `.{name}`"), help)
    })
}
