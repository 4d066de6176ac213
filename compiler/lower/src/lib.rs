//! AST to graph: stages, arguments, environment, heredocs, names.
