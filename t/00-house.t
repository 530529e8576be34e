#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The gates of the house: what the style asks of the sources and a program can
# see. A rule takes files, [name, text] each, and returns what it objects to
# as "file:line: words". Each rule is also fed a sample that must not pass.
use strict;
use warnings;

use Cwd qw(getcwd);
use File::Find;
use File::Temp qw(tempdir);
use FindBin;
use IPC::Open2;
use Test::More;

chdir "$FindBin::Bin/.." or die "no root: $!";
my $root = getcwd();

my $build  = $ENV{DRS_BUILD}  || 'build';
my $module = $ENV{DRS_MODULE} || "$build/mod_drsession.so";
my $cc     = $ENV{CC}         || 'cc';

sub slurp {
    my ($name) = @_;
    open my $in, '<:raw', $name or return '';
    local $/;
    return scalar <$in> // '';
}

my @all;
find({ no_chdir => 1, wanted => sub {
    if (m{^\./\.git$} || -d && m{^\./(?:build.*|t/fuzz/corpus)$}) {
        $File::Find::prune = 1;
        return;
    }
    return unless -f && -T _;
    (my $name = $_) =~ s{^\./}{};
    push @all, [ $name, slurp($_) ] unless $name =~ /\.(?:o|so|d)$/;
} }, '.');
@all = sort { $a->[0] cmp $b->[0] } @all;

my @c       = grep { $_->[0] =~ /\.[ch]$/ } @all;
my @src     = grep { $_->[0] =~ m{^(?:src|include)/|^mod_} } @c;
my @headers = grep { $_->[0] =~ /\.h$/ } @src;
my @scripts = grep { $_->[0] =~ m{(?:\.(?:t|pm|pl|sh|mk|py|lua)|Makefile)$}
                  || $_->[1] =~ /\A#!/ } @all;

# The same text, comments and the insides of literals blanked.
sub bare {
    my ($text, $keep_comments) = @_;
    my $blank = sub { (my $x = $_[0]) =~ s/[^\n]/ /g; $x };
    $text =~ s{(/\*.*?\*/)|"((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)'}{
        defined $1 ? ($keep_comments ? $1 : $blank->($1))
      : defined $2 ? '"' . $blank->($2) . '"'
      :              "'" . $blank->($3) . "'"
    }gse;
    return $text;
}

# Objections to lines: the callback gets a line and says what is wrong.
sub by_line {
    my ($check, @files) = @_;
    my @bad;
    for my $file (@files) {
        my $n = 0;
        for my $line (split /\n/, $file->[1], -1) {
            $n++;
            my $why = $check->($line, $file->[0]);
            push @bad, "$file->[0]:$n: $why" if $why;
        }
    }
    return @bad;
}

sub bare_by_line {
    my ($check, @files) = @_;
    return by_line($check, map { [ $_->[0], bare($_->[1]) ] } @files);
}

# Function bodies: [file, line, lines, deepest nesting].
sub functions {
    my @found;
    for my $file (@_) {
        my ($n, $start, $depth, $deepest) = (0, 0, 0, 0);
        for my $line (split /\n/, bare($file->[1])) {
            $n++;
            if (!$start) {
                ($start, $depth, $deepest) = ($n, 1, 1) if $line =~ /^\{/;
                next;
            }
            if ($line =~ /^\}/) {
                push @found, [ $file->[0], $start, $n - $start + 1,
                               $deepest - 1 ];
                $start = 0;
                next;
            }
            (my $flat = $line) =~ s/=\s*\{.*//;
            1 while $flat =~ s/\{[^{}]*\}//;
            $depth += () = $flat =~ /\{/g;
            $deepest = $depth if $depth > $deepest;
            $depth -= () = $flat =~ /\}/g if $line !~ /=\s*\{/;
            $depth++ if $line =~ /=\s*\{[^}]*$/;
        }
    }
    return @found;
}

# Declarations of a header: [line, text, comment above or ''].
sub declarations {
    my ($text) = @_;
    my ($comment, $line, @found) = ('', 1);
    pos($text) = 0;
    while (pos($text) < length $text) {
        my $from = pos $text;
        if ($text =~ m{\G(/\*.*?\*/)}gcs) { $comment = $1 }
        elsif ($text =~ /\G\s*\n\s*\n/gc) { $comment = '' }
        elsif ($text =~ /\G\s+/gc)        { }
        elsif ($text =~ /\G#(?:[^\n]*\\\n)*[^\n]*/gc) { $comment = '' }
        elsif ($text =~ /\Gextern "C" \{|\G\}(?=\s*\n?#)/gc) { }
        else {
            my ($depth, $said) = (0, '');
            while ($text =~ m{\G(/\*.*?\*/|[{};]|[^{};/]+|/)}gcs) {
                $said .= $1;
                $depth++ if $1 eq '{';
                $depth-- if $1 eq '}';
                last if $1 eq ';' && $depth <= 0;
            }
            push @found, [ $line, $said, $comment ];
            $comment = '';
        }
        last if !defined pos $text || pos($text) == $from;
        $line += substr($text, $from, pos($text) - $from) =~ tr/\n//;
    }
    return @found;
}

my $scratch = tempdir(CLEANUP => 1);

# A rule: its sentence, the code, files, and [name, text] that must not pass.
sub gate {
    my ($name, $rule, $files, @samples) = @_;
    my @bad = $rule->(@$files);
    ok(!@bad && @$files, $name) or diag(@$files ? map { "  $_\n" } @bad
                                                : "  no files to look at\n");
    for my $sample (@samples) {
        ok(scalar $rule->($sample), "$name: and this gate can shut");
    }
}

sub line_gate {
    my ($name, $pattern, $why, $files, @samples) = @_;
    gate($name, sub {
        bare_by_line(sub { $_[0] =~ $pattern ? $why : undef }, @_);
    }, $files, @samples);
}

# Which headers a file may see: the pattern of headers, that of its owners.
sub fence {
    my ($name, $header, $owners, @samples) = @_;
    gate($name, sub {
        by_line(sub {
            my ($line, $file) = @_;
            return undef if $line !~ /^\s*#\s*include\s*[<"]([^>"]+)[>"]/;
            my $seen = $1;
            return undef if $seen !~ $header || $file =~ $owners;
            return "$seen is not for this file";
        }, @_);
    }, \@src, @samples);
}

fence('only mod_drsession.c and the faces see httpd',
    qr{^(?:httpd\.h|http_\w+\.h|ap_\w+\.h|util_\w+\.h|scoreboard\.h
        |mod_(?!drsession\.h)\w+\.h|mpm_\w+\.h|unixd\.h)$}x,
    qr{^mod_drsession\.c$|^src/faces/},
    [ 'src/engine/drs_bad.c', "#include <httpd.h>\n" ],
    [ 'include/mod_bad.h', "#include \"http_config.h\"\n" ]);
fence('only the connection, the route and the store see hiredis',
    qr{(?:^|/)(?:hiredis\w*|async|sds)\.h$},
    qr{^src/engine/drs_(?:redis|route|store)\.[ch]$},
    [ 'src/faces/drs_bad.c', "#include <hiredis/hiredis.h>\n" ]);
fence('only the codec sees jansson', qr{(?:^|/)jansson\.h$},
    qr{^src/engine/drs_codec\.[ch]$},
    [ 'src/engine/drs_store.c', "#include <jansson.h>\n" ]);
fence('only the Lua guest sees Lua', qr{(?:^|/)(?:lua|lualib|lauxlib)\.h$},
    qr{^src/lua/}, [ 'src/faces/drs_bad.c', "#include <lua.h>\n" ]);
fence('only faces and the module see faces',
    qr{^drs_(?:conf|check|child|env|header|expr|forward|index|lists|log|lookup
        |outage|reply|rest|status|secret|threads|turn|words)\.h$}x,
    qr{^mod_drsession\.c$|^src/faces/},
    [ 'src/engine/drs_bad.c', "#include \"drs_conf.h\"\n" ]);
fence('the Lua guest sees the public header alone',
    qr{^drs_(?!lua_)}, qr{^(?!src/lua/)},
    [ 'src/lua/drsession.c', "#include \"drs_session.h\"\n" ]);
fence('only the Lua guest sees its headers', qr{^drs_lua_}, qr{^src/lua/},
    [ 'src/faces/drs_bad.c', "#include \"drs_lua_dump.h\"\n" ]);

# The arrows; what has no rank is a leaf.
my %rank = (redis => 1, pool => 2, route => 3, store => 4, life => 5,
    session => 6, view => 7, handoff => 7,
    batch => 7, ops => 8);

gate('in the engine arrows only point down', sub {
    by_line(sub {
        my ($line, $file) = @_;
        return undef if $file !~ m{^src/engine/drs_(\w+)\.};
        my $unit = $1;
        return undef if $line !~ /^\s*#\s*include\s*"drs_(\w+)\.h"/;
        my $seen = $1;
        return undef if $seen eq $unit;
        return undef if ($rank{$seen} || 0) < ($rank{$unit} || 0);
        return undef if !$rank{$seen} && !$rank{$unit};
        return "$unit is not above $seen";
    }, @_);
}, \@src, [ 'src/engine/drs_pool.c', "#include \"drs_store.h\"\n" ]);

gate('a source includes its own header first', sub {
    my @bad;
    for my $file (@_) {
        next if $file->[0] !~ m{^(?:src/(?:engine|faces)/)?(\w+)\.c$}
            && $file->[0] !~ m{^src/lua/(drs_\w+)\.c$};
        my $own = "$1.h";
        next if $file->[1] =~ /^\s*#\s*include\s*[<"]([^>"]+)/m && $1 eq $own;
        push @bad, "$file->[0]:1: not $own first";
    }
    return @bad;
}, [ grep { $_->[0] =~ /\.c$/ } @src ],
    [ 'src/engine/drs_bad.c', "/* */\n#include <a.h>\n#include \"drs_bad.h\"\n"
    ]);

gate('no function is longer than 70 lines', sub {
    map { "$_->[0]:$_->[1]: $_->[2] lines" }
        grep { $_->[2] > 70 } functions(@_);
}, \@c, [ 'bad.c', "int f(void)\n{\n" . "    f();\n" x 70 . "}\n" ]);

gate('at most one function in ten is longer than 40 lines', sub {
    my @functions = functions(@_);
    my @long      = grep { $_->[2] > 40 } @functions;
    return () if @long * 10 <= @functions;
    return map { "$_->[0]:$_->[1]: $_->[2] lines" } @long;
}, \@src, [ 'bad.c', "int f(void)\n{\n" . "    f();\n" x 40 . "}\n" ]);

gate('nothing is nested deeper than 4', sub {
    map { "$_->[0]:$_->[1]: nested $_->[3] deep" }
        grep { $_->[3] > 4 } functions(@_);
}, \@c, [ 'bad.c', "int f(void)\n{\n" . "if (1) {\n" x 5 . "}\n" x 5 . "}\n" ]);

# What the tour names is there, and the tour names all that is there.
my ($tour) = grep { $_->[0] eq 'docs/tour.md' } @all;
my $code = join '', map { $_->[1] } @c;

gate('the tour speaks of what is there', sub {
    my %seen;
    map { "$_ is nowhere" }
        grep { !$seen{$_}++ && $code !~ /\b\Q$_\E\b/
               && !grep { -e "$_" } glob "src/*/$_.h" }
        map { $_->[1] =~ /\b(?<![\/.])([a-z]+(?:_[a-z]+)+)\b/g } @_;
}, [$tour], [ 'docs/tour.md', "`drs_no_such_thing`\n" ]);

gate('the tour shows every file of the module', sub {
    my $text = join '', map { $_->[1] } @_;
    map { m{(drs_\w+)\.c$} && $text !~ /\b$1\b/ ? "$1 is not shown" : () }
        glob 'src/engine/*.c src/faces/*.c';
}, [$tour], [ 'docs/tour.md', "no names\n" ]);

gate('no file is longer than 600 lines', sub {
    map { my $n = $_->[1] =~ tr/\n//; $n > 600 ? "$_->[0]:$n: too long" : () }
        @_;
}, \@c, [ 'bad.c', "\n" x 601 ]);

gate('no line is wider than 80 columns but by a string', sub {
    by_line(sub {
        my ($line) = @_;
        utf8::decode($line);
        (my $short = $line) =~ s/"(?:[^"\\]|\\.)*"/""/g;
        return length $short > 80 ? length($line) . ' columns' : undef;
    }, @_);
}, \@c, [ 'bad.c', '    ' . 'x' x 77 . "\n" ]);

gate('C has no tabs and no blanks at the end of a line', sub {
    by_line(sub { $_[0] =~ /\t|\s$/ ? 'tab or trailing blank' : undef }, @_);
}, \@c, [ 'bad.c', "\tint a;\n" ], [ 'bad.c', "int a; \n" ]);

# Versions of the formatter differ, so one of them is the judge.
SKIP: {
    my $formatter = 'clang-format-14';
    skip "$formatter is not here to judge", 2
        if system("command -v $formatter >/dev/null 2>&1") != 0;
    gate('C is as .clang-format wants it', sub {
        map {
            my ($name, $text) = @$_;
            my $pid = open2(my $out, my $in, $formatter,
                            "--assume-filename=$name");
            print $in $text;
            close $in;
            my $wanted = do { local $/; <$out> };
            waitpid $pid, 0;
            $wanted eq $text ? () : "$name: run $formatter -i";
        } @_;
    }, \@c, [ 'bad.c', "int f( void );\n" ]);
}

line_gate('a function and an else begin a line of their own',
    qr/^\w[^=]*\)\s*\{\s*$|\}\s*else\b/, 'brace or else not on its own line',
    \@c, [ 'bad.c', "int f(void) {\n" ], [ 'bad.c', "    } else {\n" ]);

gate('C begins with the licence and what the unit knows', sub {
    map { $_->[1] =~ m{\A/\* SPDX-License-Identifier: MIT \*/\n/\*}
            ? () : "$_->[0]:1: licence line or comment is missing" } @_;
}, \@c, [ 'bad.c', "/* hello */\n" ],
    [ 'bad.c', "/* SPDX-License-Identifier: MIT */\nint a;\n" ]);

gate('a script names its licence in the first two lines', sub {
    map { $_->[1] =~ /\A(?:#!.*\n)?\S+ SPDX-License-Identifier: MIT\n/
            ? () : "$_->[0]:1: licence line is missing" } @_;
}, \@scripts, [ 'bad.sh', "#!/bin/sh\nset -e\n" ]);

my $later = join '|', 'TO' . 'DO', 'FIX' . 'ME', 'XX' . 'X';
my $place = join '|', map { "/$_/" } 'home', 'root', 'work', 'Users';

gate('nothing is left for later', sub {
    by_line(sub { $_[0] =~ /\b(?:$later)\b/ ? 'left for later' : undef },
            grep { $_->[0] !~ m{^t/fuzz/} } @_);
}, \@all, [ 'bad.c', '/* TO' . "DO: more */\n" ]);

gate('no file knows a path of one machine', sub {
    by_line(sub { $_[0] =~ m{(?<![\w.\$\}\)-])(?:$place)\w} ? 'machine path'
                                                   : undef }, @_);
}, \@all, [ 'bad.c', '#define HERE "/ho' . "me/me/x\"\n" ]);

line_gate('nothing is allocated but from a pool',
    qr/\b(?:malloc|calloc|realloc|strdup|strndup|asprintf)\s*\(/,
    'not from a pool', [ grep { $_->[0] =~ /^src|^mod_/ } @src ],
    [ 'src/bad.c', "    p = malloc(1);\n" ]);
line_gate('commands are never made from formats',
    qr/\bredisv?(?:Append)?Command\s*\(/, 'a command made from a format',
    \@src, [ 'src/bad.c', "redisCommand(c, \"GET %s\", k);\n" ],
    [ 'src/bad.c', "redisvCommand(c, f, ap);\n" ],
    [ 'src/bad.c', "redisAppendCommand(c, f);\n" ]);
line_gate('numbers are parsed strictly', qr/\bato(?:i|l|ll|f)\s*\(/, 'atoi',
    \@src, [ 'src/bad.c', "n = atoi(word);\n" ]);

# The live session's calls have their contract in the public table.
my %public;
$public{$_} = 1
    for slurp('include/mod_drsession.h') =~ m{\*/\n    \w.*\(\*(\w+)\)\(}g;

gate('every declaration in a header has a doc comment', sub {
    my @bad;
    for my $file (@_) {
        for my $one (declarations($file->[1])) {
            my ($line, $said, $comment) = @$one;
            my $plain = bare($said);
            next if $plain =~ /^(?:typedef )?(?:struct|union) \w+(?: \w+)?;$/;
            next if $plain =~ /\bdrs_session_(\w+)\(/ && $public{$1};
            next if $plain =~ /^(?:APLOG|AP_DECLARE|module )/;
            my $wanted = $plain =~ /\{/ || $plain !~ /\(/ ? '/*' : '/**';
            next if index($comment, $wanted) == 0;
            my ($first) = $plain =~ /^\s*([^\n]*)/;
            push @bad, "$file->[0]:$line: $first";
        }
    }
    return @bad;
}, \@headers, [ 'bad.h', "/* x */\n\nint drs_bad(int a);\n" ],
    [ 'bad.h', "#ifndef A\n#define A\ntypedef struct a_t {\n    int a;\n} a_t;\n"
    ]);

gate('every call of the public table has a doc comment', sub {
    my @bad;
    for my $file (@_) {
        my $before = '';
        my $n      = 0;
        for my $line (split /\n/, $file->[1]) {
            $n++;
            push @bad, "$file->[0]:$n: $line"
                if $line =~ /^    \w.*\(\*\w+\)\(/ && $before !~ m{\*/\s*$};
            $before = $line;
        }
    }
    return @bad;
}, [ grep { $_->[0] eq 'include/mod_drsession.h' } @headers ],
    [ 'bad.h', "typedef struct a {\n    int (*open)(int a);\n} a;\n" ]);

# What the Makefile would say; the public header gets APR and nothing else.
sub ask { my $said = `@_ 2>/dev/null` // ''; chomp $said; return $said }

my $apr   = ask('pkg-config --cflags apr-1');
my $libs  = ask('pkg-config --cflags hiredis jansson apr-1 apr-util-1');
my $httpd = '-I' . ask(($ENV{APXS} || 'apxs') . ' -q INCLUDEDIR');

gate('every header compiles alone', sub {
    my @bad;
    for my $file (@_) {
        my ($name, $text) = @$file;
        my $path  = "$scratch/alone.c";
        my $flags = $name =~ m{^include/} ? "-Iinclude $apr"
                  : "-Iinclude -Isrc/engine $libs";
        $flags .= " -Isrc/faces $httpd" if $name =~ m{^src/faces/};
        if (-e $name) { $text = "#include \"$root/$name\"\n" }
        open my $out, '>', $path or die $!;
        print $out "$text\ntypedef int drs_nothing_t;\n";
        close $out or die $!;
        my $said = `$cc -std=c99 -D_GNU_SOURCE -fsyntax-only $flags $path 2>&1`;
        push @bad, "$name:1: " . (split /\n/, $said)[0] if $?;
    }
    return @bad;
}, \@headers,
    [ 'src/engine/none.h', "no_type_t f(void);\n" ]);

# Directives: the table is right, the others follow it.
sub words {
    my ($text) = @_;
    my %seen;
    $seen{$1} = 1 while $text =~ /(?<![\w%-])(DRSession(?:[A-Z]\w*)?)\b(?!:)/g;
    return %seen;
}

sub compare_directives {
    my ($source, @others) = @_;
    my %table;
    $table{$1} = 1 while $source =~ /AP_INIT_\w+\(\s*"(DRSession\w*)"/g;
    my @bad = %table ? () : ('src/faces/drs_conf.c:1: no table');
    for my $other (@others) {
        my ($name, $text) = @$other;
        my %said = words($text);
        push @bad, map { "$name:1: $_ is missing" }
            grep { !$said{$_} } sort keys %table;
        push @bad, map { "$name:1: there is no $_" }
            grep { !$table{$_} } sort keys %said;
    }
    return @bad;
}

my @papers = map { [ $_, slurp($_) ] }
    'conf/drsession.conf', 'docs/directives.md';
gate('every directive is in the sample configuration and in the docs, and '
     . 'no other is', sub {
    my @given = @_;
    return compare_directives(
        "AP_INIT_FLAG(\"DRSession\")\nAP_INIT_TAKE1(\"DRSessionIdle\")",
        @given) if $given[0][0] =~ /^bad/;
    return compare_directives(slurp('src/faces/drs_conf.c'), @given);
}, \@papers, [ 'bad.md', "DRSession DRSessionIdle DRSessionMore\n" ],
    [ 'bad.md', "DRSession\n" ]);

sub exported_others {
    my ($said, $own) = @_;
    return grep { $_ ne ($own // 'drsession_module') && !/^__(?:odr_)?(?:asan|ubsan)/ }
        map { (split)[-1] } split /\n/, $said;
}

SKIP: {
    skip "$module is not built", 1 unless -f $module;
    my $said = ask("nm -D --defined-only '$module'");
    my @bad  = exported_others($said);
    ok($said =~ /\bdrsession_module$/m && !@bad,
       'the module exports drsession_module alone') or diag("  @bad");
}
SKIP: {
    my $guest = "$build/lua/drsession.so";
    skip "$guest is not built", 1 unless -f $guest;
    my $said = ask("nm -D --defined-only '$guest'");
    my @bad  = exported_others($said, 'luaopen_drsession');
    ok($said =~ /\bluaopen_drsession$/m && !@bad,
       'the Lua guest exports luaopen_drsession alone') or diag("  @bad");
}
ok(scalar exported_others("0 T drs_bad\n"),
   'the module exports drsession_module alone: and this gate can shut');

done_testing;
