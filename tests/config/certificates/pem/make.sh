#!/bin/sh
# Makes the files beside it anew, with OpenSSL 3: certificates that are right for a hundred years, and every way to be wrong.
set -eu
cd "$(dirname "$0")"
rm -rf ./*.crt ./*.key ./*.pem ./*.crl ./*.csr ./*.der ./*.p12 ./*.ocsp work
mkdir work

leaf=basicConstraints=critical,CA:FALSE
ec() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null; }
rsa() { openssl genpkey -algorithm RSA -pkeyopt "rsa_keygen_bits:$2" -out "$1" 2>/dev/null; }

# sign NAME ISSUER DIGEST EXTENSIONS: a certificate for NAME.key
sign() {
    openssl req -new -key "$1.key" -subj "/CN=$5" -out work/request.csr
    printf '%b' "$4" >work/extensions
    openssl x509 -req -in work/request.csr -CA "$2.crt" -CAkey "$2.key" -days 36500 "-$3" -set_serial "0x$6" \
        -extfile work/extensions -out "$1.crt" 2>/dev/null
}

ec root.key
openssl req -x509 -key root.key -days 36500 -subj "/CN=Test Root" -addext basicConstraints=critical,CA:TRUE -out root.crt
ec intermediate.key
sign intermediate root sha256 'basicConstraints=critical,CA:TRUE' "Test Intermediate" 02
ec site.key
openssl req -x509 -key site.key -days 36500 -subj /CN=a.example -addext subjectAltName=DNS:a.example,DNS:www.a.example \
    -addext "$leaf" -out site.crt
rsa rsa.key 2048
openssl req -x509 -key rsa.key -days 36500 -subj /CN=a.example -addext subjectAltName=DNS:a.example,DNS:www.a.example \
    -addext "$leaf" -out rsa.crt

ec leaf.key
sign leaf intermediate sha256 "$leaf\nsubjectAltName=DNS:b.example" b.example 03
cat leaf.crt intermediate.crt >chain.crt
cat intermediate.crt leaf.crt >reversed.crt
cat leaf.crt root.crt intermediate.crt >mixed.crt
cat leaf.crt root.crt >gap.crt
cat leaf.crt leaf.crt intermediate.crt >twice.crt
{ sed '3d;5d' leaf.crt | sed '$d'; } >cut.crt
cat site.key leaf.key >two.key

openssl req -x509 -key site.key -days 36500 -subj /CN=c.example -addext "$leaf" -out nameless.crt
openssl req -x509 -key site.key -days 36500 -subj /CN=d.example -addext subjectAltName=DNS:d.example -out authority.crt
openssl req -x509 -key site.key -days 36500 -subj /CN=10.0.0.1 -addext subjectAltName=IP:10.0.0.1 -addext "$leaf" -out address.crt
rsa weak.key 1024
openssl req -x509 -key weak.key -days 36500 -subj /CN=a.example -addext subjectAltName=DNS:a.example -addext "$leaf" -out weak.crt
cp leaf.key sha1.key
sign sha1 root sha1 "$leaf\nsubjectAltName=DNS:b.example" b.example 04
openssl pkey -in site.key -aes128 -passout pass:secret -out encrypted.key
openssl ec -in site.key -aes128 -passout pass:secret -out encrypted-old.key 2>/dev/null
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1 -out odd.key
openssl req -x509 -key odd.key -days 36500 -subj /CN=a.example -addext subjectAltName=DNS:a.example -addext "$leaf" -out odd.crt
openssl x509 -in site.crt -outform DER -out site.der
openssl pkcs12 -export -in site.crt -inkey site.key -passout pass: -out site.p12
openssl req -new -key site.key -subj /CN=a.example -out site.csr
: >empty.pem

touch work/index.txt
printf '[ca]\ndatabase=work/index.txt\ndefault_md=sha256\n' >work/ca.cnf
openssl ca -config work/ca.cnf -name ca -gencrl -cert root.crt -keyfile root.key -crldays 36500 -out clients.crl 2>/dev/null
openssl ca -config work/ca.cnf -name ca -gencrl -cert root.crt -keyfile root.key -crl_lastupdate 200101000000Z \
    -crl_nextupdate 200201000000Z -out stale.crl 2>/dev/null

# answer NAME STATUS REVOKED DAYS: an OCSP response about leaf.crt
answer() {
    printf '%s\t%s\t%s\t03\tunknown\t/CN=b.example\n' "$2" 991231235959Z "$3" >work/index
    openssl ocsp -index work/index -CA intermediate.crt -rsigner intermediate.crt -rkey intermediate.key -issuer intermediate.crt \
        -cert leaf.crt -ndays "$4" -noverify -respout "$1" >/dev/null 2>&1
}
answer good.ocsp V '' 36500
answer stale.ocsp V '' 1
answer revoked.ocsp R 250101000000Z 36500
printf '\060\003\012\001\006' >refused.ocsp
cp site.crt again.crt
rm -rf work
