#!/bin/sh
test "$(wordcount 'one two')" = 2
