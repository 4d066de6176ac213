<?php

require __DIR__ . '/../vendor/autoload.php';

header('Content-Type: text/plain');
echo (new App\Greeter())->greet(trim($_SERVER['REQUEST_URI'], '/')), ', user ', posix_getuid(), "\n";
